"""The update sources: one protocol, and one module for each source."""
