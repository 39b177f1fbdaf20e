"""Credentials and API keys: requests to use cases, records to replies, events and questions out.

No rule lives here. The values of new tokens and keys pass through once, into the reply; those of SenML
devices into the reply to a transport, and nowhere else.
"""

from collections.abc import Awaitable, Callable

import msgspec
from msgspec import UNSET

from libs.bus import Bus
from libs.contracts.api_keys import (
    API_KEY_REVOKED,
    CHECK_API_KEY,
    CREATE_API_KEY,
    LIST_API_KEYS,
    REVOKE_API_KEY,
    ApiKeyPage,
    ApiKeyPageReply,
    ApiKeyReply,
    CheckApiKey,
    CreateApiKey,
    CreatedApiKey,
    CreatedApiKeyReply,
    ListApiKeys,
    RevokeApiKey,
)
from libs.contracts.api_keys import ApiKey as ApiKeyBody
from libs.contracts.applications import EmptyReply
from libs.contracts.credentials import (
    CREATE_TOKEN,
    DELETE_ENDPOINT_TOKENS,
    DELETE_TOKEN,
    LIST_TOKENS,
    SET_TOKEN_STATUS,
    STORE_TOKEN,
    STORE_TOKENS,
    CreatedToken,
    CreatedTokenReply,
    CreateToken,
    DeleteEndpointTokens,
    DeleteToken,
    ListTokens,
    SetTokenStatus,
    StoreToken,
    StoreTokens,
    StoreTokensReply,
    Token,
    TokenOutcome,
    TokenPage,
    TokenPageReply,
)
from libs.contracts.ecap import (
    TOKEN_REVOKED,
    TOKEN_STATUS_CHANGED,
    VALIDATE_TOKEN,
    VALIDATE_TOKENS,
    EndpointTokensValidationRequest,
    EndpointTokensValidationResponse,
    EndpointTokenValidationRequest,
    EndpointTokenValidationResponse,
    TokenHolder,
)
from libs.contracts.endpoints import GET_ENDPOINT, GetEndpoint
from libs.contracts.errors import GroveError, InternalError
from libs.contracts.ids import AppVersionName, EndpointId, application_of
from libs.contracts.instants import iso_ms
from libs.contracts.messages import ReplyT, RequestT
from libs.contracts.senml_credentials import (
    ACTIVATE_DEVICE_SECRET,
    CREATE_SENML_CREDENTIAL,
    DELETE_SENML_CREDENTIAL,
    DEVICE_SECRETS,
    GET_SENML_CREDENTIAL,
    LIST_SENML_CREDENTIALS,
    SENML_CREDENTIAL_REVOKED,
    SENML_CREDENTIAL_STATUS_CHANGED,
    SET_SENML_CREDENTIAL_STATUS,
    ActivateDeviceSecret,
    CreatedSenmlCredentialReply,
    CreateSenmlCredential,
    DeleteSenmlCredential,
    DeviceSecret,
    DeviceSecretsReply,
    DeviceSecretsRequest,
    GetSenmlCredential,
    ListSenmlCredentials,
    SenmlCredentialPage,
    SenmlCredentialPageReply,
    SenmlCredentialReply,
    SetSenmlCredentialStatus,
)
from libs.contracts.senml_credentials import SenmlCredential as SenmlCredentialBody
from libs.contracts.subjects import AnyEventType, AnyOperation, Operation
from services.credential_manager.domain import Announcement, ApiKey, EndpointToken, SenmlCredential
from services.credential_manager.ports import Parts, RegisteredEndpoint
from services.credential_manager.usecases import api_keys, devices, removing, senml, tokens, validating

CREDENTIAL_SUBJECTS: tuple[AnyOperation | AnyEventType, ...] = (
    VALIDATE_TOKEN,
    VALIDATE_TOKENS,
    CREATE_TOKEN,
    LIST_TOKENS,
    SET_TOKEN_STATUS,
    DELETE_TOKEN,
    STORE_TOKEN,
    STORE_TOKENS,
    DELETE_ENDPOINT_TOKENS,
    CREATE_SENML_CREDENTIAL,
    LIST_SENML_CREDENTIALS,
    GET_SENML_CREDENTIAL,
    SET_SENML_CREDENTIAL_STATUS,
    DELETE_SENML_CREDENTIAL,
    DEVICE_SECRETS,
    ACTIVATE_DEVICE_SECRET,
    CREATE_API_KEY,
    LIST_API_KEYS,
    REVOKE_API_KEY,
    CHECK_API_KEY,
    TOKEN_REVOKED,
    TOKEN_STATUS_CHANGED,
    SENML_CREDENTIAL_REVOKED,
    SENML_CREDENTIAL_STATUS_CHANGED,
    API_KEY_REVOKED,
)

_DIRECTORY_TIMEOUT_S = 2.0
"""Creating a token asks twice, and the caller waits 5 s for both and the writes between them."""

_CREATED = 201
_NO_CONTENT = 204
_NOT_MODIFIED = 304


class BusEndpointDirectory:
    """Asks endpoint-register."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def find(self, endpoint_id: EndpointId, *, allowed: tuple[str, ...] | None) -> RegisteredEndpoint:
        reply = await self._bus.request(
            GET_ENDPOINT.subject(self._bus.subjects),
            GetEndpoint(endpoint_id=endpoint_id, applications=allowed),
            GET_ENDPOINT.reply,
            timeout_s=_DIRECTORY_TIMEOUT_S,
        )
        version = reply.body.app_version.name
        application = application_of(version)
        if application is None:
            raise InternalError
        return RegisteredEndpoint(
            application=application, version=AppVersionName(version), incarnation=reply.incarnation
        )


class BusEventPublisher:
    """Publishes to the stream of control events."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, announcement: Announcement, *, deadline_s: float) -> None:
        await self._bus.announce(
            announcement.kind.subject(self._bus.subjects),
            announcement.event,
            msg_id=announcement.message_id,
            deadline_s=deadline_s,
        )


class BusApi:
    """The handlers; :meth:`serve` puts them on the bus."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def serve(self, bus: Bus) -> None:
        """Answer every operation of :data:`CREDENTIAL_SUBJECTS`."""
        await _serve(bus, VALIDATE_TOKEN, self.on_validate_token)
        await _serve(bus, VALIDATE_TOKENS, self.on_validate_tokens)
        await _serve(bus, CREATE_TOKEN, self.on_create_token)
        await _serve(bus, LIST_TOKENS, self.on_list_tokens)
        await _serve(bus, SET_TOKEN_STATUS, self.on_set_token_status)
        await _serve(bus, DELETE_TOKEN, self.on_delete_token)
        await _serve(bus, STORE_TOKEN, self.on_store_token)
        await _serve(bus, STORE_TOKENS, self.on_store_tokens)
        await _serve(bus, DELETE_ENDPOINT_TOKENS, self.on_delete_endpoint_tokens)
        await _serve(bus, CREATE_SENML_CREDENTIAL, self.on_create_senml_credential)
        await _serve(bus, LIST_SENML_CREDENTIALS, self.on_list_senml_credentials)
        await _serve(bus, GET_SENML_CREDENTIAL, self.on_get_senml_credential)
        await _serve(bus, SET_SENML_CREDENTIAL_STATUS, self.on_set_senml_credential_status)
        await _serve(bus, DELETE_SENML_CREDENTIAL, self.on_delete_senml_credential)
        await _serve(bus, DEVICE_SECRETS, self.on_device_secrets)
        await _serve(bus, ACTIVATE_DEVICE_SECRET, self.on_activate_device_secret)
        await _serve(bus, CREATE_API_KEY, self.on_create_api_key)
        await _serve(bus, LIST_API_KEYS, self.on_list_api_keys)
        await _serve(bus, REVOKE_API_KEY, self.on_revoke_api_key)
        await _serve(bus, CHECK_API_KEY, self.on_check_api_key)

    async def on_validate_token(
        self, request: EndpointTokenValidationRequest
    ) -> EndpointTokenValidationResponse:
        token = await validating.validate_token(request, parts=self._parts)
        return EndpointTokenValidationResponse(token_id=token.id, endpoint_id=token.endpoint_id)

    async def on_validate_tokens(
        self, request: EndpointTokensValidationRequest
    ) -> EndpointTokensValidationResponse:
        answers = await validating.validate_tokens(request, parts=self._parts)
        return EndpointTokensValidationResponse(holders=tuple(_holder(each) for each in answers))

    async def on_create_token(self, request: CreateToken) -> CreatedTokenReply:
        token, value = await tokens.create_token(request, parts=self._parts)
        body = CreatedToken(
            endpoint_token_id=token.id,
            token=value,
            created_date=iso_ms(token.created_at),
            application_name=token.application,
            status=token.status,
        )
        return CreatedTokenReply(status_code=_CREATED, body=body)

    async def on_list_tokens(self, request: ListTokens) -> TokenPageReply:
        listed = await tokens.list_tokens(request, parts=self._parts)
        if listed.page is None:
            return TokenPageReply(status_code=_NOT_MODIFIED, e_tag=listed.e_tag)
        content, total = listed.page
        body = TokenPage(content=[_token_body(token) for token in content], total_elements=total)
        return TokenPageReply(body=body, e_tag=listed.e_tag)

    async def on_set_token_status(self, request: SetTokenStatus) -> EmptyReply:
        await tokens.set_token_status(request, parts=self._parts)
        return EmptyReply(status_code=_NO_CONTENT)

    async def on_delete_token(self, request: DeleteToken) -> EmptyReply:
        await tokens.delete_token(request, parts=self._parts)
        return EmptyReply(status_code=_NO_CONTENT)

    async def on_store_token(self, request: StoreToken) -> EmptyReply:
        await tokens.store_token(request, parts=self._parts)
        return EmptyReply(status_code=_NO_CONTENT)

    async def on_store_tokens(self, request: StoreTokens) -> StoreTokensReply:
        outcomes = await tokens.store_tokens(request, parts=self._parts)
        return StoreTokensReply(
            outcomes=tuple(
                TokenOutcome(_NO_CONTENT)
                if each is None
                else TokenOutcome(each.status_code, each.reason_phrase)
                for each in outcomes
            )
        )

    async def on_delete_endpoint_tokens(self, request: DeleteEndpointTokens) -> EmptyReply:
        await removing.delete_endpoint_tokens(request, parts=self._parts)
        return EmptyReply(status_code=_NO_CONTENT)

    async def on_create_senml_credential(self, request: CreateSenmlCredential) -> CreatedSenmlCredentialReply:
        credential = await senml.create_senml_credential(request, parts=self._parts)
        return CreatedSenmlCredentialReply(status_code=_CREATED, body=_senml_body(credential))

    async def on_list_senml_credentials(self, request: ListSenmlCredentials) -> SenmlCredentialPageReply:
        content, total = await senml.list_senml_credentials(request, parts=self._parts)
        body = SenmlCredentialPage(content=[_senml_body(one) for one in content], total_elements=total)
        return SenmlCredentialPageReply(body=body)

    async def on_get_senml_credential(self, request: GetSenmlCredential) -> SenmlCredentialReply:
        credential, e_tag = await senml.get_senml_credential(request, parts=self._parts)
        if credential is None:
            return SenmlCredentialReply(status_code=_NOT_MODIFIED, e_tag=e_tag)
        return SenmlCredentialReply(body=_senml_body(credential), e_tag=e_tag)

    async def on_set_senml_credential_status(self, request: SetSenmlCredentialStatus) -> EmptyReply:
        await senml.set_senml_credential_status(request, parts=self._parts)
        return EmptyReply(status_code=_NO_CONTENT)

    async def on_delete_senml_credential(self, request: DeleteSenmlCredential) -> EmptyReply:
        await senml.delete_senml_credential(request, parts=self._parts)
        return EmptyReply(status_code=_NO_CONTENT)

    async def on_device_secrets(self, request: DeviceSecretsRequest) -> DeviceSecretsReply:
        device = await devices.find_device(request, parts=self._parts)
        return DeviceSecretsReply(
            endpoint_id=device.credential.endpoint_id,
            application_name=device.endpoint.application,
            app_version_name=device.endpoint.version,
            secrets=tuple(
                DeviceSecret(credential_id=one.id, secret=secret, status=one.status)
                for one, secret in device.secrets
            ),
        )

    async def on_activate_device_secret(self, request: ActivateDeviceSecret) -> EmptyReply:
        await devices.activate_device_secret(request, parts=self._parts)
        return EmptyReply(status_code=_NO_CONTENT)

    async def on_create_api_key(self, request: CreateApiKey) -> CreatedApiKeyReply:
        key, value = await api_keys.create_api_key(request, parts=self._parts)
        body = CreatedApiKey(**msgspec.structs.asdict(_api_key_body(key)), key=value)
        return CreatedApiKeyReply(status_code=_CREATED, body=body)

    async def on_list_api_keys(self, request: ListApiKeys) -> ApiKeyPageReply:
        content, total = await api_keys.list_api_keys(request, parts=self._parts)
        body = ApiKeyPage(content=[_api_key_body(key) for key in content], total_elements=total)
        return ApiKeyPageReply(body=body)

    async def on_revoke_api_key(self, request: RevokeApiKey) -> EmptyReply:
        await api_keys.revoke_api_key(request.api_key_id, parts=self._parts)
        return EmptyReply(status_code=_NO_CONTENT)

    async def on_check_api_key(self, request: CheckApiKey) -> ApiKeyReply:
        key = await api_keys.check_api_key(request.key, parts=self._parts)
        return ApiKeyReply(body=_api_key_body(key))


async def _serve(
    bus: Bus, operation: Operation[RequestT, ReplyT], handler: Callable[[RequestT], Awaitable[ReplyT]]
) -> None:
    await bus.serve(operation.subject(bus.subjects), operation.request, handler, queue=operation.instance)


def _holder(answer: EndpointToken | GroveError) -> TokenHolder:
    if isinstance(answer, GroveError):
        return TokenHolder(status_code=answer.status_code, reason_phrase=answer.reason_phrase)
    return TokenHolder(token_id=answer.id, endpoint_id=answer.endpoint_id)


def _token_body(token: EndpointToken) -> Token:
    return Token(
        endpoint_token_id=token.id,
        status=token.status,
        created_date=iso_ms(token.created_at),
        application_name=token.application,
        update_date=UNSET if token.updated_at is None else iso_ms(token.updated_at),
    )


def _senml_body(credential: SenmlCredential) -> SenmlCredentialBody:
    return SenmlCredentialBody(
        credential_id=credential.id,
        endpoint_id=credential.endpoint_id,
        dvn_uuid=credential.dvn_uuid,
        application_name=credential.application,
        status=credential.status,
        created_date=iso_ms(credential.created_at),
        update_date=UNSET if credential.updated_at is None else iso_ms(credential.updated_at),
    )


def _api_key_body(key: ApiKey) -> ApiKeyBody:
    return ApiKeyBody(
        api_key_id=key.id,
        name=key.name,
        scope=key.scope,
        applications=key.applications,
        created_date=iso_ms(key.created_at),
        expiry_date=None if key.expires_at is None else iso_ms(key.expires_at),
        revoked=key.revoked,
    )
