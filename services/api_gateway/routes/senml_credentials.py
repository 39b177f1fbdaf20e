"""``/ccm/api/v1``: SenML devices and their shared secrets (protocol/senml.md)."""

from libs.contracts import senml_credentials as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Location, Route, Tag

_CREDENTIALS = "/ccm/api/v1/senml-credentials"
_CREDENTIAL = f"{_CREDENTIALS}/{{credentialId}}"

_TAG = Tag(
    name="SenML credentials",
    description="What a SenML device (KPN Things) proves its identity with: its `dvnUuid` and a shared "
    "secret. A device belongs to one endpoint. States are those of endpoint tokens. A device may have "
    "several secrets, so that they can be rotated: add the second, move the device to it, revoke the first. "
    "Secrets are kept encrypted and never told.",
)

_NO_ENDPOINT = "There is no such endpoint."

_EXAMPLE = {
    "credentialId": "5d0cf6fd-92a7-4df5-8a53-60a4d1b0bd0e",
    "endpointId": "tree-17",
    "dvnUuid": "3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66",
    "applicationName": "olives",
    "status": "Inactive",
    "createdDate": "2026-11-26T03:32:01.498Z",
}

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path=_CREDENTIALS,
        operation=contract.LIST_SENML_CREDENTIALS,
        scope=Scope.READ,
        summary="List an endpoint's SenML credentials",
        description="A page of the credentials of all devices of an endpoint, newest first.",
        response_example={
            "content": [_EXAMPLE | {"status": "Active", "updateDate": "2026-11-26T03:40:12.077Z"}],
            "totalElements": 1,
        },
        errors={404: _NO_ENDPOINT},
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=_CREDENTIALS,
        operation=contract.CREATE_SENML_CREDENTIAL,
        scope=Scope.WRITE,
        summary="Give a SenML device a secret",
        description="The first secret makes the device known, as one of this endpoint; further ones are "
        "valid beside it, up to eight. The secret is 30 to 100 letters and digits; it is not told again.",
        success=201,
        location=Location(path=_CREDENTIAL, takes={"credentialId": "credentialId"}),
        request_example={
            "endpointId": "tree-17",
            "dvnUuid": "3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66",
            "sharedSecret": "k3Tq9ZpV1xWm7RbN5cYh2LsD8fGjA4eU",
        },
        response_example=_EXAMPLE,
        errors={
            404: _NO_ENDPOINT,
            409: "The device is another endpoint's, has this secret or had it revoked, or has too many.",
        },
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_CREDENTIAL,
        operation=contract.GET_SENML_CREDENTIAL,
        scope=Scope.READ,
        summary="Read a SenML credential",
        description="Its device, endpoint and state; never its secret.",
        response_example=_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="PUT",
        path=f"{_CREDENTIAL}/status",
        operation=contract.SET_SENML_CREDENTIAL_STATUS,
        scope=Scope.WRITE,
        summary="Suspend, reactivate or revoke a credential",
        description="Active <-> Suspended; Revoked from any state, for good: the secret is erased. The state "
        "it already has is a success that changes nothing.",
        success=204,
        request_example={"status": "Revoked"},
        errors={409: "There is no such step from the state it is in; the message names both."},
    ),
    Route(
        tag=_TAG,
        method="DELETE",
        path=_CREDENTIAL,
        operation=contract.DELETE_SENML_CREDENTIAL,
        scope=Scope.WRITE,
        summary="Delete a SenML credential",
        description="Forgets it; a device that still uses the secret is refused. With its last credential "
        "the device is free for another endpoint.",
        success=204,
    ),
)
