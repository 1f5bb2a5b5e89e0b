"""Teaching on the device: its dataset, recording from the live frames, and training in a child process."""
