"""Every event that any module here declares: for documents, and for whoever shows all of them."""

import importlib
import pkgutil

from libs import contracts
from libs.contracts.subjects import AnyEventType, EventType


def declared_events() -> list[AnyEventType]:
    """Find every event, by what it is about."""
    names = (found.name for found in pkgutil.walk_packages(contracts.__path__, f"{contracts.__name__}."))
    items = {
        item
        for name in names
        for item in vars(importlib.import_module(name)).values()
        if isinstance(item, EventType)
    }
    return sorted(items, key=lambda event: (event.entity, event.group, event.name, event.originator))
