"""The history of events, with the picture that started each one, on the device."""
