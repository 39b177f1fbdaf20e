"""SenML (RFC 8428) as KPN Things speaks it: packs in and out, and what proves who sent one.

``packs`` decodes JSON and resolves any pack, ``devices`` adds what holds for a device of ours (base
name, names of measurements, downlinks), ``proofs`` is its identity and its secret. In the order of
protocol/senml.md a transport calls :func:`decode_pack`, :func:`device_of`, then verifies the token
over the raw bytes (:mod:`libs.bus.device_secrets`), then :func:`resolve_uplink`.
"""

from libs.contracts.senml.devices import (
    base_name,
    device_of,
    encode_downlink,
    resolve_uplink,
    series_name,
)
from libs.contracts.senml.packs import (
    MAX_PACK_BYTES,
    MAX_RECORDS,
    Pack,
    Record,
    decode_pack,
    resolve,
)
from libs.contracts.senml.proofs import (
    DvnUuid,
    check_dvn_uuid,
    check_shared_secret,
    message_token,
    same_secret,
    signing_secret,
)

__all__ = [
    "MAX_PACK_BYTES",
    "MAX_RECORDS",
    "DvnUuid",
    "Pack",
    "Record",
    "base_name",
    "check_dvn_uuid",
    "check_shared_secret",
    "decode_pack",
    "device_of",
    "encode_downlink",
    "message_token",
    "resolve",
    "resolve_uplink",
    "same_secret",
    "series_name",
    "signing_secret",
]
