"""The files of the page, and the description of the API."""

import threading
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI


def test_file_is_sent_once_and_then_confirmed(device):
    client = device.anonymous()
    first = client.get("/page/app.js")
    assert first.headers["content-type"].startswith("text/javascript") and first.headers["cache-control"] == "no-cache"
    again = client.get("/page/app.js", **{"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_missing_file_is_one_sentence(device):
    for name in ("nothing.js", "__init__.py", "a" * 200):
        answer = device.anonymous().get(f"/page/{name}")
        assert answer.status in (404, 422) and answer.error


def test_index_and_icon_are_served(device):
    assert device.anonymous().get("/").body.lower().startswith(b"<!doctype html>")
    assert device.anonymous().get("/favicon.ico").headers["content-type"] == "image/svg+xml"
    assert device.anonymous().get("/healthz").status == 204


def test_making_the_description_of_the_api_delays_no_other_request(device, admin, monkeypatch):
    started, release = threading.Event(), threading.Event()
    monkeypatch.setattr(FastAPI, "openapi", lambda _: started.set() or {"made": release.wait(20)})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(admin.get, "/api/openapi.json")
        try:
            assert started.wait(20)
            assert device.anonymous().send("GET", "/healthz", timeout_s=5).status == 204
        finally:
            release.set()
        assert asked.result(20).json == {"made": True}
