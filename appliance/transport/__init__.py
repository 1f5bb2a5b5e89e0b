"""Bounded HTTP: requests and downloads that trust nothing from the network and wait for nothing without limit."""
