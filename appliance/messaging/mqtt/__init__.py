"""The connection to a broker: open it, keep it open, and describe its errors. Only this package imports paho."""
