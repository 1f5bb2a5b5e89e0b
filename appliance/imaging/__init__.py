"""Pixels and picture files, without any model: frames, views, decoding and encoding, drawing, fingerprints."""
