"""Building blocks that every service shares; none of them knows a service."""
