"""Every error is one sentence with a fitting status, and the API is described."""

import logging
import re

import pytest

from appliance.errors import BundleError, ControlError, HistoryError, PictureError, StoreError
from appliance.web.app import _find_status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BundleError("x"), 422),
        (PictureError("x"), 422),
        (HistoryError("x"), 503),
        (StoreError("x"), 409),
        (ControlError("x"), 409),
    ],
)
def test_error_has_a_fitting_status(error, status):
    assert _find_status(error) == status


def test_unexpected_error_is_logged_and_one_sentence(device, admin, monkeypatch, caplog):
    def fail():
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(device.device.__class__, "stats", lambda self: fail())
    with caplog.at_level(logging.ERROR, "appliance.web"):
        answer = admin.get("/api/device/stats")
    assert answer.status == 500 and "secret" not in answer.error and "log" in answer.error
    assert "ZeroDivisionError" in caplog.text and caplog.text.count("Traceback") == 1


def test_body_of_another_shape_is_one_sentence(admin):
    described = admin.get("/api/openapi.json").json["paths"]
    taking_json = [
        (method.upper(), re.sub(r"\{[^}]*\}", "a-1", path))
        for path, methods in described.items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]
    assert len(taking_json) >= 6
    for method, path in taking_json:
        for body in (b"{", b"[1]", b'"x"', b'{"value": {"value": []}}', b"\xff"):
            answer = admin.send(method, path, body, {"Content-Type": "application/json"})
            assert 400 <= answer.status < 500 and "\n" not in answer.error, (method, path, body, answer)


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_json_is_read_whatever_its_stated_type(admin, content_type):
    stated = {"Content-Type": content_type} if content_type else {}
    assert admin.send("PUT", "/api/threshold", b'{"value": 0.4}', stated).status == 200
    assert admin.send("POST", "/v1/models/default:predict", b'{"instances": ["eA=="]}', stated).status == 422
    assert admin.send("PUT", "/api/threshold", b'{"value": null}', stated).status == 200


def test_head_is_answered_as_get_without_the_body(device, admin):
    for client, path in ((device.anonymous(), "/healthz"), (device.anonymous(), "/"), (admin, "/api/status")):
        given, asked = client.send("HEAD", path), client.get(path)
        assert given.status == asked.status and given.body == b""
        assert given.headers.get("content-type") == asked.headers.get("content-type")
    assert device.anonymous().send("HEAD", "/api/status").status == 401
    assert admin.send("HEAD", "/api/labels").status == 405, "a stream has no end"


def test_unknown_paths_and_methods_are_one_sentence(admin):
    assert "/api/nothing" in admin.get("/api/nothing").error
    assert admin.send("DELETE", "/api/status").status == 405


def test_api_is_described_with_its_errors(admin):
    description = admin.get("/api/openapi.json").json
    assert {"/api/status", "/api/labels", "/v1/models/{name}:predict", "/metrics"} <= set(description["paths"])
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), (method, path)
            assert "401" in operation["responses"]
