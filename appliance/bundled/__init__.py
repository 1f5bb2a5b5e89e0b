"""The models that ship with the program, as package data; appliance/system/shipped.py finds them."""
