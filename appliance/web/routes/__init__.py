"""The paths of the HTTP API, one module per place of the page."""
