"""Firebase: the identity of this device, and Remote Config."""
