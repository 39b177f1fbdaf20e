"""Rules of tokens and API keys; pure: no await, no clock, no randomness.

``tokens`` and ``api_keys`` are the two kinds of credential, ``changes`` is what both have in
common (how a change is made safe and told), ``fingerprints`` is what is stored instead of a secret,
``paging`` what a list shows of what there is.
"""

from services.credential_manager.domain.api_keys import (
    ApiKey,
    check_applications,
    check_key_name,
    parse_expiry,
    refused_key,
)
from services.credential_manager.domain.changes import Announcement, Change, Record
from services.credential_manager.domain.fingerprints import FingerprintKeyError, Fingerprints
from services.credential_manager.domain.paging import (
    e_tag_of,
    page_of,
)
from services.credential_manager.domain.tokens import (
    EndpointToken,
    Phase,
    check_room,
    refuse_duplicate,
)

__all__ = [
    "Announcement",
    "ApiKey",
    "Change",
    "EndpointToken",
    "FingerprintKeyError",
    "Fingerprints",
    "Phase",
    "Record",
    "check_applications",
    "check_key_name",
    "check_room",
    "e_tag_of",
    "page_of",
    "parse_expiry",
    "refuse_duplicate",
    "refused_key",
]
