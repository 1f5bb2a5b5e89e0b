"""Test the url source: which files are offered, when a change is noticed, and what a broken download causes."""

import gzip

import pytest

from appliance.bundle.bundle import read_bundle
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder, zipped
from support.model_server import (
    NoHead,
    Plain,
    Status,
    Truncate,
)
from support.rig import Rig, publish_second


def check_in_time(rig):
    """Let the updater make one of its regular checks now."""
    rig.updater._schedule.check_now()
    rig.updater.notify_store_changed()


@pytest.mark.parametrize("form", ["zip", "tflite", "lite"])
def test_zip_and_bare_tflite_are_installed(tmp_path, server, form):
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    second = bundle_folder(tmp_path / "v2", version="2.0", model=made_models.good(2))
    if form == "zip":
        server.put("/colours.zip", zipped(second))
    else:
        server.put(f"/colours.{form}", made_models.good(2))
        server.put("/dict.txt", b"red\ngreen\nblue\n")
    with Rig(tmp_path / "device", server.url(f"/colours.{form}"), installed=installed) as rig:
        rig.check()
        rig.until("committed")
        assert rig.labeler.identity.sha256 == read_bundle(second).identity.sha256
        assert rig.labeler.identity.name == "colours"
        before = len(server.requests)
        assert rig.check()["current"]
        assert len(server.requests) - before == 1


def test_new_automl_export_under_old_names_is_noticed(tmp_path, server):
    """The manifest of such an export never changes and contains no hashes."""
    first = bundle_folder(tmp_path / "first", name=None, version=None, model=made_models.good(1))
    server.put_folder(first, "/flowers/")
    with Rig(tmp_path / "device", server.url("/flowers/manifest.json")) as rig:
        rig.check()
        rig.until("committed")
        assert rig.runs.startswith("flowers sha256:")
        server.put("/flowers/model.tflite", made_models.good(2))
        assert rig.check()["taken"]
        rig.until("committed", 2)
        server.put("/flowers/dict.txt", b"rot\ngruen\nblau\n")
        rig.check()
        rig.until("committed", 3)
        assert rig.labeler.labels == ("rot", "gruen", "blau")


@pytest.mark.parametrize("known", [Plain(), Plain(validators=False), NoHead(405), NoHead(403)])
def test_server_without_validators_or_head_works(tmp_path, server, known):
    server.put_folder(bundle_folder(tmp_path / "first", name=None, version=None, model=made_models.good(1)))
    for path in ("/manifest.json", "/model.tflite", "/dict.txt"):
        server.fault(path, known)
    with Rig(tmp_path / "device", server.url("/manifest.json")) as rig:
        rig.check()
        rig.until("committed")
        assert rig.check()["current"]
        server.put("/model.tflite", made_models.good(2))
        assert rig.check()["taken"]
        rig.until("committed", 2)


def test_cloud_storage_hash_is_checked(tmp_path, server):
    import base64
    import hashlib

    good = made_models.good(2)
    md5 = base64.b64encode(hashlib.md5(good).digest()).decode()
    server.put("/dict.txt", b"red\ngreen\nblue\n")
    server.put("/colours.tflite", good, headers={"x-goog-hash": f"crc32c=AAAA,md5={md5}"})
    with Rig(tmp_path / "device", server.url("/colours.tflite")) as rig:
        server.files["/colours.tflite"] = type(server.files["/colours.tflite"])(
            good[:-1] + b"x", server.files["/colours.tflite"].etag, None, server.files["/colours.tflite"].headers
        )
        rig.check()
        assert "announced md5" in rig.until("failed").reason
        server.put("/colours.tflite", good, headers={"x-goog-hash": f"crc32c=AAAA,md5={md5}"})
        rig.check()
        rig.until("committed")


@pytest.mark.parametrize(("hashes", "most"), [(True, 1), (False, 3)])
def test_check_without_news_costs_little(rig, server, tmp_path, hashes, most):
    publish_second(server, tmp_path, hashes=hashes)
    rig.check()
    rig.until("committed")
    rig.check()
    before = len(server.requests)
    check_in_time(rig)
    wait_until(lambda: len(server.requests) - before == most, "the check")
    asked = server.requests[before:]
    assert len(asked) <= most and sum(request.sent for request in asked) < 2000
    assert {request.status for request in asked} == {304}


def test_compressed_download_is_a_server_fault(tmp_path, server):
    """The server was asked for uncompressed bytes but ignores that."""
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    server.put("/colours.tflite", gzip.compress(made_models.good(2)), headers={"Content-Encoding": "gzip"})
    server.put("/dict.txt", b"red\ngreen\nblue\n")
    with Rig(tmp_path / "device", server.url("/colours.tflite"), installed=installed) as rig:
        rig.check()
        assert "compressed (gzip)" in rig.until("failed").reason
        assert "refused" not in rig.states
        server.put("/colours.tflite", made_models.good(2))
        rig.check()
        rig.until("committed")


def test_broken_download_resumes_after_restart(rig, server, tmp_path):
    publish_second(server, tmp_path)
    server.fault("/model.tflite", Truncate(600), times=1)
    server.fault("/model.tflite", Status(503), times=1)
    rig.check()
    rig.until("failed")
    rig.restart()
    rig.check()
    rig.until("committed")
    assert server.asked("/model.tflite")[-1].headers["range"] == "bytes=600-"


def test_set_that_changes_is_fetched_again(rig, server, tmp_path):
    """The label file and the model of the first set are replaced after its model was downloaded."""
    publish_second(server, tmp_path, hashes=False)
    labels = server.files["/dict.txt"]

    def replaced(request):
        server.routes.clear()
        server.put("/model.tflite", made_models.good(33))
        server.put("/dict.txt", b"rot\ngruen\nblau\n")
        return Status(200, labels.body, {"ETag": labels.etag})

    server.route("GET", "/dict.txt", replaced)
    rig.check()
    rig.until("committed")
    assert rig.labeler.labels == ("rot", "gruen", "blau")
    assert rig.labeler.bundle.read_model() == made_models.good(33)
    assert "failed" not in rig.states


NGINX = '"665f0f00-1a2b"'  # derived from size and time only


@pytest.mark.parametrize("form", ["zip", "tflite", "labels", "set"])
@pytest.mark.parametrize("headers", [{"etag": NGINX}, {"etag": None, "modified_s": 1_700_000_000.0}])
def test_change_of_same_size_and_time_is_seen_by_one_explicit_check(tmp_path, server, form, headers):
    def put(salt, labels):
        model = made_models.good(salt)
        if form == "zip":
            server.put("/m.zip", zipped(bundle_folder(tmp_path / f"z{salt}", version=None, model=model)), **headers)
            return
        server.put("/m.tflite", model, **headers)
        server.put("/dict.txt", labels, **headers)
        server.put("/manifest.json", b'{"modelFile": "m.tflite", "labelsFile": "dict.txt"}', **headers)

    put(1, b"red\ngreen\nblue\n")
    url = {"zip": "/m.zip", "set": "/manifest.json"}.get(form, "/m.tflite")
    with Rig(tmp_path / "device", server.url(url)) as rig:
        rig.check()
        rig.until("committed")
        assert rig.check()["current"]
        put(1 if form == "labels" else 2, b"rot\ngrn\nblau\n" if form == "labels" else b"red\ngreen\nblue\n")
        check_in_time(rig)  # sees nothing, because the server states nothing new
        assert rig.check()["taken"]
        rig.until("committed", 2)
        assert rig.labeler.labels[0] == ("rot" if form == "labels" else "red")
        assert rig.check()["current"]
        rig.restart()
        before = len(rig.steps)
        assert rig.check()["current"] and len(rig.steps) == before


def test_new_validator_with_the_old_body_is_not_believed_for_ever(tmp_path, server):
    server.put("/dict.txt", b"red\ngreen\nblue\n")
    server.put("/m.tflite", made_models.good(1), etag='"one"')
    with Rig(tmp_path / "device", server.url("/m.tflite")) as rig:
        rig.check()
        rig.until("committed")
        server.put("/m.tflite", made_models.good(1), etag='"two"')  # a cache serves the old bytes for some seconds
        rig.check()
        rig.until("committed", 2)
        assert rig.check()["current"]
        server.put("/m.tflite", made_models.good(2), etag='"two"')
        assert rig.check()["taken"]
        rig.until("swapped", 2)


@pytest.mark.slow
def test_every_24th_check_asks_unconditionally_and_so_does_one_after_a_failure(tmp_path, server):
    publish_second(server, tmp_path)
    with Rig(tmp_path / "device", server.url("/manifest.json"), interval_s=3600.0) as rig:
        rig.until("committed")

        def conditions():
            return ["if-none-match" in request.headers for request in server.asked("/manifest.json")]

        def check_until(is_over):
            wait_until(lambda: check_in_time(rig) or is_over(), "the checks")

        check_until(lambda: len(conditions()) >= 50)
        assert conditions()[-48:].count(False) == 2
        server.fault("/manifest.json", Status(503), times=1)
        check_until(lambda: 503 in [request.status for request in server.asked("/manifest.json")])
        check_until(lambda: server.asked("/manifest.json")[-1].status != 503)
        failed = [request.status for request in server.asked("/manifest.json")].index(503)
        assert conditions()[failed - 1 : failed + 2] == [True, True, False] or not conditions()[failed]


def test_names_outside_ascii_do_not_collide(tmp_path, server):
    from urllib.parse import quote

    names = []
    for count, name in enumerate(["кухня", "ванна"], 1):
        server.put(quote(f"/{name}.tflite"), made_models.good(count))
        server.put(quote(f"/{name}.txt"), b"red\ngreen\nblue\n")
        with Rig(tmp_path / f"device-{count}", server.url(quote(f"/{name}.tflite"))) as rig:
            rig.check()
            rig.until("committed")
            names.append(rig.labeler.identity.name)
    assert names == ["кухня", "ванна"]
