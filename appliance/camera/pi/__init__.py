"""The Raspberry Pi camera, through picamera2."""
