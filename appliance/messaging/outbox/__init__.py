"""Durable messages, kept in an SQLite file until the broker has acknowledged them."""
