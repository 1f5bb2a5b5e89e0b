"""Train the models that the project ships: currently, the bundled flowers model (scripts/train-bundled)."""
