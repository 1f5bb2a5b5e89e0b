"""Frames worth labeling, collected on the device for the next training."""
