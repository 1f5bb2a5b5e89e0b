"""The files of the page."""


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
