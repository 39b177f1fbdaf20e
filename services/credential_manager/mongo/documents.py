"""How records are spelled as documents, and read again."""

from collections.abc import Mapping
from typing import Any

from bson.binary import Binary

from libs.contracts.api_keys import Scope
from libs.contracts.ids import ApiKeyId, ApplicationName, EndpointId, TokenId
from libs.contracts.senml import DvnUuid
from libs.contracts.tokens import TokenStatus
from libs.store import Document
from services.credential_manager.domain import ApiKey, Credential, EndpointToken, Phase, SenmlCredential


def _credential_to_document(credential: Credential) -> Document:
    return {
        "application": credential.application,
        "endpointId": credential.endpoint_id,
        "incarnation": credential.incarnation,
        "status": credential.status.value,
        "phase": credential.phase.value,
        "createdDate": credential.created_at,
        "updatedDate": credential.updated_at,
        "forgetFrom": credential.forget_from,
    }


def _credential_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "revision": document["revision"],
        "attempt": document["attempt"],
        "changed_at": document["changedDate"],
        "announce_from": document.get("announceFrom"),
        "application": ApplicationName(document["application"]),
        "endpoint_id": EndpointId(document["endpointId"]),
        "incarnation": document.get("incarnation"),
        "status": TokenStatus(document["status"]),
        "phase": Phase(document["phase"]),
        "created_at": document["createdDate"],
        "updated_at": document.get("updatedDate"),
        "forget_from": document.get("forgetFrom"),
    }


def token_to_document(token: EndpointToken) -> Document:
    """What is stored of it, but for what all records have."""
    return {**_credential_to_document(token), "tokenHash": Binary(token.fingerprint)}


def token_from_document(document: Mapping[str, Any]) -> EndpointToken:
    """Read what was stored."""
    return EndpointToken(
        id=TokenId(document["_id"]),
        fingerprint=bytes(document["tokenHash"]),
        **_credential_fields(document),
    )


def senml_to_document(credential: SenmlCredential) -> Document:
    """What is stored of it, but for what all records have."""
    return {
        **_credential_to_document(credential),
        "dvnUuid": credential.dvn_uuid,
        "secretHash": Binary(credential.fingerprint),
        "sealedSecret": Binary(credential.sealed) if credential.sealed else None,
    }


def senml_from_document(document: Mapping[str, Any]) -> SenmlCredential:
    """Read what was stored."""
    return SenmlCredential(
        id=document["_id"],
        dvn_uuid=DvnUuid(document["dvnUuid"]),
        fingerprint=bytes(document["secretHash"]),
        sealed=bytes(document.get("sealedSecret", b"")),
        **_credential_fields(document),
    )


def api_key_to_document(key: ApiKey) -> Document:
    """What is stored of it, but for what all records have."""
    return {
        "keyHash": Binary(key.fingerprint),
        "name": key.name,
        "scope": key.scope.value,
        "applications": None if key.applications is None else list(key.applications),
        "createdDate": key.created_at,
        "expiryDate": key.expires_at,
        "revoked": key.revoked,
        "seeded": key.seeded,
    }


def api_key_from_document(document: Mapping[str, Any]) -> ApiKey:
    """Read what was stored."""
    applications = document.get("applications")
    return ApiKey(
        id=ApiKeyId(document["_id"]),
        revision=document["revision"],
        attempt=document["attempt"],
        changed_at=document["changedDate"],
        announce_from=document.get("announceFrom"),
        fingerprint=bytes(document["keyHash"]),
        name=document["name"],
        scope=Scope(document["scope"]),
        applications=None if applications is None else tuple(applications),
        created_at=document["createdDate"],
        expires_at=document.get("expiryDate"),
        revoked=document["revoked"],
        seeded=document["seeded"],
    )
