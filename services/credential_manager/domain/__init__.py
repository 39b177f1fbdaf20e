"""Rules of credentials and API keys; pure: no await, no clock, no randomness.

``tokens`` and ``senml`` are the two kinds of credential of an endpoint, ``credentials`` is what both
have in common, ``api_keys`` lets operators in. ``changes`` is how a change of any of them is made safe
and told, ``fingerprints`` what is stored instead of a secret and ``sealing`` how one is stored that must
be read again, ``paging`` what a list shows of what there is.
"""

from services.credential_manager.domain.api_keys import (
    ApiKey,
    check_applications,
    check_key_name,
    parse_expiry,
    refused_key,
)
from services.credential_manager.domain.changes import Announcement, Change, Record
from services.credential_manager.domain.credentials import Credential, Phase, check_room
from services.credential_manager.domain.fingerprints import FingerprintKeyError, Fingerprints
from services.credential_manager.domain.paging import e_tag_of, page_of
from services.credential_manager.domain.sealing import NONCE_BYTES, SecretBox, UnreadableSecretError
from services.credential_manager.domain.senml import SenmlCredential, check_device, refuse_second
from services.credential_manager.domain.tokens import EndpointToken, refuse_duplicate

__all__ = [
    "NONCE_BYTES",
    "Announcement",
    "ApiKey",
    "Change",
    "Credential",
    "EndpointToken",
    "FingerprintKeyError",
    "Fingerprints",
    "Phase",
    "Record",
    "SecretBox",
    "SenmlCredential",
    "UnreadableSecretError",
    "check_applications",
    "check_device",
    "check_key_name",
    "check_room",
    "e_tag_of",
    "page_of",
    "parse_expiry",
    "refuse_duplicate",
    "refuse_second",
    "refused_key",
]
