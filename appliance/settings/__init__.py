"""The settings: which there are, reading them from a file, secrets, and what a reload changes."""
