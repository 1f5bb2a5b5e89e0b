"""Drawn scenes as a camera."""
