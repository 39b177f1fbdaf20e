"""Endpoints, applications and configuration as documents; the only rooms here that know MongoDB.

A document is written by ``$set``, never replaced, so that a field of a newer release survives an
older replica (what is derived, the listing, is). Measured on the embedded store: ``find_one_and_update``
scans the whole collection, a filter on ``_id`` and one more field costs a read twice as much, and
every index costs a write a tenth. So endpoints are read by ``_id`` alone, changed by ``update_one``
on ``_id`` and ``seq``, and what lists need is a collection of its own.
"""

from services.endpoint_register.mongo.applications import MongoApplicationRepository
from services.endpoint_register.mongo.batches import MongoBatchRepository
from services.endpoint_register.mongo.configurations import MongoConfigurationRepository
from services.endpoint_register.mongo.connectivity import MongoConnectivityRepository, MongoRunRepository
from services.endpoint_register.mongo.endpoints import MongoEndpointRepository
from services.endpoint_register.mongo.filters import MongoFilterRepository
from services.endpoint_register.mongo.landmark_listing import LandmarkListing
from services.endpoint_register.mongo.listing import MongoEndpointListing
from services.endpoint_register.mongo.relations import MongoRelationRepository

__all__ = [
    "LandmarkListing",
    "MongoApplicationRepository",
    "MongoBatchRepository",
    "MongoConfigurationRepository",
    "MongoConnectivityRepository",
    "MongoEndpointListing",
    "MongoEndpointRepository",
    "MongoFilterRepository",
    "MongoRelationRepository",
    "MongoRunRepository",
]
