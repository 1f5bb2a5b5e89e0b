"""Model updates: the updater, its decisions, the model store and the update sources."""
