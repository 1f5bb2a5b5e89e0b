"""The model over HTTP: what runs, uploads that are good, bad, or meant to do harm, and trying a picture."""

import io
import json
import zipfile
import zlib

import numpy as np
import pytest

from appliance.imaging.files import encode_jpeg
from appliance.settings.schema import UpdateSettings
from support.broker import wait_until
from support.paths import FLOWERS
from support.web import WebDevice, make_settings

SCRIPT = "<script>alert(1)</script>"


def make_bundle(name="other", version="9.0", labels=None, extra=(), training=None):
    """Return a zip with the bundled model under another name."""
    out = io.BytesIO()
    manifest = json.loads((FLOWERS / "manifest.json").read_text()) | {
        "name": name,
        "version": version,
        "training": training,
    }
    manifest.pop("sha256", None)
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.write(FLOWERS / "model.tflite", "model.tflite")
        archive.writestr("dict.txt", labels or (FLOWERS / "dict.txt").read_text())
        for path, content in extra:
            archive.writestr(path, content)
    return out.getvalue()


def make_bomb():
    """Return a zip of 300 kB that unpacks to 300 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("model.tflite", bytes(300_000_000))
    return out.getvalue()


def make_huge_png():
    """Return a PNG of 30,000 × 30,000 pixels in some hundred kB."""
    header = b"IHDR" + (30_000).to_bytes(4) * 2 + b"\x08\x00\x00\x00\x00"
    data = b"IDAT" + zlib.compress(bytes(1_000_000))
    chunks = (header, data, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) for chunk in chunks
    )


def test_running_model_is_described_with_its_card(admin):
    model = admin.get("/api/model").json
    assert (model["name"], model["origin"]) == ("flowers", "came with the program")
    assert (
        "<h1>" in model["card"] and model["report"] is None and model["history"][0]["roles"] == ["current", "bundled"]
    )
    assert admin.get("/api/model/report").status == 404


def test_upload_is_swapped_in_and_can_be_taken_back(tmp_path):
    with WebDevice(tmp_path) as device:
        admin = device.program()
        training = {"dataset": {"pictures": {SCRIPT: 30}}, "license": "CC0\x1b[2J", "seed": "x", "other": 1}
        answer = admin.send("POST", "/api/model?name=my.zip", make_bundle(SCRIPT[:60], training=training))
        assert answer.status == 200 and answer.json["version"] == "9.0"
        wait_until(lambda: admin.get("/api/status").json["model"]["version"] == "9.0", "the model is swapped in")
        model = admin.get("/api/model").json
        assert model["origin"] == "my.zip"
        # What it states about its training is cleaned, and kept by the installation.
        assert model["training"] == {"dataset": {"pictures": {SCRIPT: 30}}, "license": "CC0"}
        assert ["pictures", f"30: {SCRIPT} 30"] in model["training_facts"]
        assert list((device.state / "uploads").iterdir()) == []
        # Its name is data: it is never HTML.
        assert admin.get("/api/model").headers["content-type"] == "application/json"
        assert SCRIPT[:60] in admin.get("/metrics").body.decode()
        assert admin.send("POST", "/api/model/rollback").status == 200
        wait_until(lambda: admin.get("/api/status").json["model"]["name"] == "flowers", "the former model is back")


BAD = {
    "empty": (b"", 422, "neither"),
    "text": (b"hello world", 422, "neither"),
    "picture": (b"\xff\xd8\xff\xe0" + bytes(100), 422, "neither"),
    "broken zip": (b"PK\x03\x04" + bytes(100), 422, "the upload"),
    "broken tflite": (bytes(4) + b"TFL3" + bytes(100), 422, "the upload"),
    "zip slip": (make_bundle(extra=[("../../evil", "x")]), 422, "outside"),
    "wrong labels": (make_bundle(labels="a\nb\n"), 422, "labels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_upload_changes_nothing_and_leaves_nothing(device, admin, name):
    body, status, part = BAD[name]
    before = admin.get("/api/status").json["model"]
    answer = admin.send("POST", "/api/model", body)
    assert answer.status == status and part in answer.error and str(device.state) not in answer.error, answer
    assert admin.get("/api/status").json["model"] == before
    assert not (device.state / "uploads").exists() or list((device.state / "uploads").iterdir()) == []


def test_zip_bomb_is_refused(device, admin):
    answer = admin.send("POST", "/api/model", make_bomb())
    assert answer.status == 422 and list((device.state / "uploads").iterdir()) == []


def test_upload_without_a_length_is_refused(admin):
    assert admin.raw(
        b"POST /api/model HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        + f"Authorization: {admin.headers['Authorization']}\r\n\r\n".encode()
    ).split(b" ")[1] == b"411"  # fmt: skip


def test_upload_larger_than_the_disk_or_the_limit_is_refused(admin, monkeypatch):
    assert admin.raw(
        b"POST /api/model HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n"
        + f"Authorization: {admin.headers['Authorization']}\r\n\r\n".encode()
    ).split(b" ")[1] == b"413"  # fmt: skip
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("appliance.transport.disk_space.shutil.disk_usage", lambda _: usage)
    answer = admin.send("POST", "/api/model", make_bundle())
    assert answer.status == 507 and "free disk space" in answer.error


def test_upload_that_is_cut_off_leaves_nothing(device, admin):
    connection = admin.connect()
    connection.putrequest("POST", "/api/model")
    for name, value in {**admin.headers, "Content-Length": "100000"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"PK\x03\x04" + bytes(70_000))
    uploads = device.state / "uploads"
    wait_until(lambda: uploads.exists() and list(uploads.iterdir()), "the upload began")
    connection.close()
    wait_until(lambda: list(uploads.iterdir()) == [], "the upload was removed")


@pytest.mark.parametrize("query", ["input_range=x", "input_range=1..1", "input_range=0..inf", "resize=fold"])
def test_bad_option_of_an_upload_is_one_sentence(admin, query):
    answer = admin.send("POST", f"/api/model?{query}", make_bundle())
    assert answer.status in (400, 422) and answer.error


def test_signed_source_allows_no_uploads_by_default(tmp_path):
    root = tmp_path / "root.json"
    root.write_text("{}")
    update = UpdateSettings(source="repository", url="http://127.0.0.1:1/", root=root, interval_s=0)
    with WebDevice(tmp_path, make_settings(update=update)) as device:
        admin = device.program()
        assert admin.get("/api/status").json["upload"] is False
        answer = admin.send("POST", "/api/model", make_bundle())
        assert answer.status == 403 and "web.upload" in answer.error


def test_picture_is_tried(admin):
    answer = admin.send("POST", "/api/model/try", admin.get("/api/frame.jpg").body).json
    assert answer["labels"][0]["score"] >= answer["labels"][1]["score"] and answer["threshold"] == 0.3


@pytest.mark.parametrize(
    ("data", "part"),
    [(b"hello", "known format"), (b"\xff\xd8\xff" + bytes(50), "picture"), (make_huge_png(), "pixels")],
)
def test_file_that_is_no_usable_picture_is_one_sentence(admin, data, part):
    answer = admin.send("POST", "/api/model/try", data)
    assert answer.status == 422 and part in answer.error


@pytest.mark.parametrize("command", ["check", "install"])
def test_command_without_an_update_source_is_one_sentence(admin, command):
    answer = admin.send("POST", f"/api/model/{command}")
    assert answer.status == 409 and "no update source" in answer.error


def test_gray_and_small_pictures_are_tried(admin):
    picture = encode_jpeg(np.zeros((3, 3, 3), np.uint8))
    assert admin.send("POST", "/api/model/try", picture).status == 200
