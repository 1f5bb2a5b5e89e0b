"""Helpers shared by the tests: small real servers, cameras, models and machines."""
