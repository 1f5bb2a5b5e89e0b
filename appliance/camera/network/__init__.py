"""Cameras over HTTP: MJPEG streams and snapshots, with the project's own HTTP client and a tolerant parser."""
