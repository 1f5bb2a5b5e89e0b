"""The update sources: one protocol, one module for each source."""
