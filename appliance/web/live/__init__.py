"""What viewers see live: the stream of changes, and the pictures."""
