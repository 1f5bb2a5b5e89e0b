"""Pixels and picture files, without any model: frames, views, files, drawing, fingerprints."""
