"""Diagnostics: `appliance check` and `appliance bench`."""
