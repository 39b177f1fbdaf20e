"""One folder a service; each runs as its own process and meets the others on the bus only."""
