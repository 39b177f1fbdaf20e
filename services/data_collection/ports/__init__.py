"""What the use cases need from the rest of the world: :mod:`.collecting` for storing, :mod:`.querying` for the rest."""

from services.data_collection.ports.collecting import Derived, SampleRepository

__all__ = ["Derived", "SampleRepository"]
