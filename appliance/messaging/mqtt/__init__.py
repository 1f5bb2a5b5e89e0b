"""One connection to a broker: opening, keeping and describing it; the only package that imports paho."""
