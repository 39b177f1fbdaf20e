"""Extension service protocol (Kaa 4/ESP): a device's request to the owner of its extension."""

from libs.contracts.messages import Reply, Request
from libs.contracts.subjects import Operation


class ClientData(Request, frozen=True, kw_only=True):
    """What an endpoint sent to an extension.

    Attributes:
        app_version_name: Application version in the path.
        endpoint_id: Whom the token belongs to.
        resource_path: With a leading slash, without request id (``/update/keys``).
        request_id: 0 to 2147483647, None when the device gave none.
        payload: Bytes as received, at most 256 KiB.
    """

    app_version_name: str
    endpoint_id: str
    resource_path: str
    request_id: int | None = None
    payload: bytes = b""


class ExtensionData(Reply, frozen=True, kw_only=True):
    """What the extension answers: below 400 goes to ``/status``, the rest to ``/error``.

    Attributes:
        payload: The answer's bytes; most successes are empty.
    """

    payload: bytes = b""


EPMX = Operation(
    instance="epmx",
    protocol="esp",
    name="ClientData",
    request=ClientData,
    reply=ExtensionData,
    summary="Metadata requests of an endpoint (Kaa 10/EPMP).",
)
