"""Test the url source: which files are offered, when a change is noticed, and what a broken download causes."""

import gzip

import pytest

from appliance.bundle.bundle import read_bundle
from support import made_models
from support.bundles import bundle_folder, zipped
from support.model_server import (
    NoHead,
    Plain,
    Status,
    Truncate,
)
from support.rig import Rig, publish_second


@pytest.mark.parametrize("form", ["zip", "tflite"])
def test_zip_and_bare_tflite_are_installed(tmp_path, server, form):
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    second = bundle_folder(tmp_path / "v2", version="2.0", model=made_models.good(2))
    if form == "zip":
        server.put("/colours.zip", zipped(second))
    else:
        server.put("/colours.tflite", made_models.good(2))
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
    before = len(server.requests)
    rig.check()
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
