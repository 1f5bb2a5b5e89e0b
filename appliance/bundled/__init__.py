"""The model that ships with the program, as package data."""
