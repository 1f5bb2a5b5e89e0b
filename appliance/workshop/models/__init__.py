"""Train the models that the project ships: today the bundled flowers labeler (scripts/train-bundled)."""
