"""The settings: their schema, how they are read from a file, secrets, and what a reload changes."""
