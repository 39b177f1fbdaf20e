"""What is asked of tokens, each in one line."""

from typing import Any

from libs.contracts.credentials import (
    CreateToken,
    DeleteEndpointTokens,
    DeleteToken,
    ListTokens,
    NewToken,
    SetTokenStatus,
    StoreToken,
    TokenStatusChange,
)
from libs.contracts.ecap import EndpointTokenValidationRequest
from libs.contracts.ids import ApplicationName
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import EndpointToken
from services.credential_manager.ports import Parts
from services.credential_manager.usecases import removing, tokens, validating
from tests.support.credential_manager import APPLICATION, ENDPOINT, Fakes

GRAPES = ApplicationName("grapes")


async def create(parts: Parts, token: str | None = None, **fields: Any) -> tuple[EndpointToken, str]:  # noqa: ANN401 - fields of the Struct
    body = NewToken(application_name=fields.pop("application_name", APPLICATION), token=token)
    cmd = CreateToken(endpoint_id=fields.pop("endpoint_id", ENDPOINT), body=body, **fields)
    return await tokens.create_token(cmd, parts=parts)


async def store(
    parts: Parts, token: str, endpoint_id: str = ENDPOINT, *, incarnation: str | None = "first"
) -> None:
    cmd = StoreToken(
        application_name=APPLICATION, endpoint_id=endpoint_id, token=token, incarnation=incarnation
    )
    await tokens.store_token(cmd, parts=parts)


async def validate(parts: Parts, token: str, application: str = APPLICATION) -> EndpointToken:
    request = EndpointTokenValidationRequest(app_name=application, token=token)
    return await validating.validate_token(request, parts=parts)


async def move(parts: Parts, token: EndpointToken, status: TokenStatus, **fields: Any) -> None:  # noqa: ANN401 - fields of the Struct
    given = {"endpoint_id": token.endpoint_id, "token_id": token.id, **fields}
    await tokens.set_token_status(SetTokenStatus(body=TokenStatusChange(status=status), **given), parts=parts)


async def delete(parts: Parts, token: EndpointToken, **fields: Any) -> None:  # noqa: ANN401 - fields of the Struct
    given = {"endpoint_id": token.endpoint_id, "token_id": token.id, **fields}
    await tokens.delete_token(DeleteToken(**given), parts=parts)


async def listed(parts: Parts, **fields: Any) -> tokens.TokenList:  # noqa: ANN401 - fields of the Struct
    return await tokens.list_tokens(ListTokens(endpoint_id=ENDPOINT, **fields), parts=parts)


async def remove_endpoint(fakes: Fakes, parts: Parts, incarnation: str | None = "first") -> None:
    """Hide the endpoint, then delete its tokens, as endpoint-register does."""
    fakes.directory.applications.pop(ENDPOINT, None)
    await delete_endpoint_tokens(parts, incarnation)


async def delete_endpoint_tokens(parts: Parts, incarnation: str | None = "first") -> None:
    cmd = DeleteEndpointTokens(endpoint_id=ENDPOINT, incarnation=incarnation)
    await removing.delete_endpoint_tokens(cmd, parts=parts)
