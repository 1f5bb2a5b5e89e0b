"""Who makes a request, for the routes."""

import asyncio

import pytest
from fastapi import Request

from appliance.errors import RequestError
from appliance.web.access.principal import Principal, Scope
from appliance.web.routes.context import get_principal


def test_routes_know_who_asks():
    principal = Principal("k", Scope.READ, "n")
    assert asyncio.run(get_principal(Request({"type": "http", "principal": principal}))) is principal


def test_route_without_a_principal_refuses():
    with pytest.raises(RequestError) as raised:
        asyncio.run(get_principal(Request({"type": "http", "principal": None})))
    assert raised.value.status == 401
