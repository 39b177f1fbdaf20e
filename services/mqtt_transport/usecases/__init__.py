"""What mqtt-transport does: answers requests, tells who is connected, takes pushes."""
