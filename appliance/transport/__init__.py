"""Bounded HTTP: requests and downloads with limits on bytes, time and silence."""
