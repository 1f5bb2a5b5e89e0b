"""A misbehaving server, and a client with short limits."""

import pytest

from appliance.transport.http import Http
from support.model_server import ModelServer
from support.transport import CONTENT, QUICK


@pytest.fixture
def server():
    with ModelServer() as server:
        server.put("/m", CONTENT)
        yield server


@pytest.fixture
def http():
    http = Http(QUICK)
    yield http
    http.close()
