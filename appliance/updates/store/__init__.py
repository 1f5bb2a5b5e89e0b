"""The model store: the delivered models on this device."""
