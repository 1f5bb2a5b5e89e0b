"""The page of the device and its HTTP API. FastAPI and uvicorn are imported only by modules that run while it is on."""
