"""Samples, configurations and what is computed from samples, as documents; the rooms that know MongoDB."""

from services.data_collection.mongo.removals import MongoRemovalRepository
from services.data_collection.mongo.samples import MongoSampleRepository

__all__ = ["MongoRemovalRepository", "MongoSampleRepository"]
