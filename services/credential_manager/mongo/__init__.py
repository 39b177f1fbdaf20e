"""The repositories as MongoDB holds them: ``records`` what lets somebody in, ``audit`` who changed what."""

from services.credential_manager.mongo.audit import MongoAuditRepository
from services.credential_manager.mongo.records import (
    MongoApiKeyRepository,
    MongoSenmlRepository,
    MongoTokenRepository,
)

__all__ = ["MongoApiKeyRepository", "MongoAuditRepository", "MongoSenmlRepository", "MongoTokenRepository"]
