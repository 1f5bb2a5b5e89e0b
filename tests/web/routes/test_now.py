"""What the device sees now, and its switches."""

import io
import json

import pytest

from appliance.imaging.files import read_picture
from support.broker import wait_until

FORBIDDEN = [
    ({"value": 2}, "value"),
    ({"value": -0.1}, "value"),
    ({"value": "0.5"}, "value"),
    ({"value": True}, "value"),
    ({}, "value"),
    ([], "not valid"),
    (b"{", "not valid"),
    (b'{"value": NaN}', "not valid"),
    (b'{"value": 1e999}', "not valid"),
    (b"[" * 10_000, "not valid"),
    (b"\xff\xfe", "not valid"),
]


@pytest.mark.parametrize(("body", "part"), FORBIDDEN)
def test_threshold_of_another_shape_changes_nothing(device, admin, body, part):
    before = admin.get("/api/status").json["threshold"]
    answer = admin.send("PUT", "/api/threshold", body, {"Content-Type": "application/json"})
    assert answer.status in (400, 422) and part in answer.error
    assert admin.get("/api/status").json["threshold"] == before


def test_threshold_acts_at_once_and_can_be_reset(device, admin):
    assert admin.send("PUT", "/api/threshold", {"value": 0.75}).json == {"ok": True}
    wait_until(lambda: admin.get("/api/status").json["threshold"]["value"] == 0.75, "the threshold is in force")
    status = admin.get("/api/status").json["threshold"]
    assert (status["source"], status["default"]) == ("mqtt", 0.3)
    assert device.service.parts.overrides.values.threshold == 0.75
    admin.send("PUT", "/api/threshold", {"value": None})
    wait_until(lambda: admin.get("/api/status").json["threshold"]["source"] == "model", "the threshold is the model's")


def test_frame_is_a_jpeg_of_the_wanted_size(admin):
    answer = admin.get("/api/frame.jpg?width=320")
    assert answer.headers["content-type"] == "image/jpeg"
    assert read_picture(io.BytesIO(answer.body), "frame").shape == (240, 320, 3)
    assert admin.get("/api/frame.jpg?width=9999999").status == 422


def read_events(client, count):
    """Return the first events of the stream: (kind, data)."""
    connection = client.connect()
    connection.request("GET", "/api/labels", headers=client.headers)
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    while len(found) < count:
        line = answer.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((kind, json.loads(line.removeprefix("data: "))))
    connection.close()
    return found


def test_stream_begins_with_the_status_and_goes_on_with_labels(admin):
    (first, status), (second, labels), *more = read_events(admin, 5)
    assert (first, second) == ("status", "labels")
    assert status["device"]["name"] == "Kitchen" and status["viewers"] >= 0
    assert labels["labels"][0]["score"] >= labels["labels"][-1]["score"] and labels["known"] is True
    frames = [data["frame"] for kind, data in more if kind == "labels"]
    assert frames == sorted(set(frames))


def test_events_arrive_in_the_stream(admin, caplog):
    caplog.set_level("INFO", "appliance")
    kinds = {kind for kind, _ in read_events(admin, 80)}
    assert kinds >= {"status", "labels", "event", "log"}


def test_running_off_closes_stream_and_camera(device, admin):
    connection = admin.connect()
    connection.request("GET", "/api/stream.mjpg", headers=admin.headers)
    stream = connection.getresponse()
    assert b"\xff\xd8" in stream.read(500)
    try:
        assert admin.send("PUT", "/api/running", {"value": False}).json == {"ok": True}
        stream.read()  # until its end
        wait_until(lambda: admin.get("/api/frame.jpg").status == 503, "no frame is given")
        assert "camera" in admin.get("/api/frame.jpg").error
        assert admin.get("/api/stream.mjpg").status == 503
        wait_until(lambda: admin.get("/api/status").json["camera"]["state"] == "off", "the camera is closed")
        assert admin.send("POST", "/api/snapshot").status == 409
    finally:
        connection.close()
        admin.send("PUT", "/api/running", {"value": True})
    wait_until(lambda: admin.get("/api/frame.jpg").status == 200, "frames are given again")


def test_streams_are_limited(device, admin):
    connections = []
    try:
        for _ in range(20):
            connection = admin.connect()
            connection.request("GET", "/api/labels", headers=admin.headers)
            connection.getresponse().read(5)
            connections.append(connection)
        answer = admin.get("/api/stream.mjpg")
        assert answer.status == 503 and "streams" in answer.error
        assert admin.get("/api/status").status == 200
    finally:
        for connection in connections:
            connection.close()
    wait_until(lambda: device.service.page.viewers == 0, "the streams ended")
