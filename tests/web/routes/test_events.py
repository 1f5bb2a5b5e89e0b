"""The history over HTTP, with events that the drawn scenes start."""

import io

import pytest

from appliance.imaging.files import read_picture
from support.broker import wait_until


@pytest.fixture(scope="module")
def events(admin):
    wait_until(lambda: len(admin.get("/api/events").json["events"]) >= 3, "three events", 60)
    return admin.get("/api/events").json["events"]


def test_events_come_newest_first_and_in_pages(admin, events):
    started = [event["started"] for event in events]
    assert started == sorted(started, reverse=True)
    first = admin.get("/api/events?limit=1").json
    second = admin.get(f"/api/events?limit=1&before={first['events'][0]['id']}").json
    assert first["more"] is True and second["events"][0]["started"] <= first["events"][0]["started"]


def test_empty_parameters_are_absent(admin, events):
    answer = admin.get("/api/events?label=&view=&before=&since=&until=&limit=")
    assert answer.status == 200 and len(answer.json["events"]) >= len(events)
    assert admin.get("/api/events?label=a==").json["events"] == [], "a value may end with the same sign"


def test_page_before_a_removed_event_needs_its_time(admin, events):
    """A list that begins anew at the newest event would have no end."""
    gone = admin.get("/api/events?before=gone-1")
    assert gone.status == 404 and "time" in gone.error
    until = events[-2]["started"]
    assert admin.get(f"/api/events?before=gone-1&until={until}").json["events"][0]["id"] == events[-1]["id"]
    assert admin.get(f"/api/events?before={until}").json["events"][0]["id"] == events[-1]["id"]
    assert admin.get(f"/api/events?before={until}&until={events[-1]['started']}").json["events"] == []


def test_event_has_its_picture_and_scores(admin, events):
    event = admin.get(f"/api/events/{events[-1]['id']}").json
    assert event["picture"] is True and event["scores"][0]["score"] >= event["scores"][-1]["score"]
    picture = admin.get(f"/api/events/{event['id']}.jpg")
    assert picture.headers["content-type"] == "image/jpeg"
    assert max(read_picture(io.BytesIO(picture.body), "event").shape[:2]) == 640
    assert b"Exif\0" not in picture.body


def test_filters_by_label_and_time(admin, events):
    label, started = events[-1]["label"], events[-1]["started"]
    found = admin.get(f"/api/events?label={label}").json["events"]
    assert found and {event["label"] for event in found} == {label}
    assert all(event["started"] >= started for event in admin.get(f"/api/events?since={started}").json["events"])
    assert admin.get(f"/api/events?until={started}").json["events"] == []
    assert label in admin.get("/api/events/labels").json
    assert admin.get("/api/events?label=unknown").json == {"events": [], "more": False}


def test_strip_counts_the_events_of_a_day(admin, events):
    strip = admin.get("/api/events/strip?start=2000-01-01T00:00:00Z&end=2000-01-02T00:00:00Z")
    assert strip.json == []
    newest = events[0]["started"]
    strip = admin.get(f"/api/events/strip?start={newest[:10]}T00:00:00Z&end={newest[:10]}T23:59:59Z").json
    assert sum(part["count"] for part in strip) >= 1 and all(0 <= part["part"] < 96 for part in strip)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422), ("limit=201", 422), ("limit=x", 422), ("since=yesterday", 400), ("until=nan", 400),
        ("since=1e999", 400), ("since=0000-00-00", 400), ("before=" + "a" * 100, 422), ("label=" + "a" * 300, 422),
    ],
)  # fmt: skip
def test_bad_query_is_one_sentence(admin, query, status):
    answer = admin.get(f"/api/events?{query}")
    assert answer.status == status and answer.error


@pytest.mark.parametrize("span", ["start=1&end=1", "start=2&end=1", "start=0&end=99999999", "start=x&end=1"])
def test_strip_needs_a_span_of_at_most_32_days(admin, span):
    assert admin.get(f"/api/events/strip?{span}").status == 400


def test_event_that_was_pruned_is_reported(admin):
    for path in ("/api/events/gone-1", "/api/events/gone-1.jpg"):
        assert admin.get(path).status == 404
    assert "removed" in admin.get("/api/events/gone-1").error
    assert admin.send("POST", "/api/events/gone-1/wrong", {"label": "roses"}).status == 404


def test_wrong_event_is_filed_for_teaching(device, admin, events):
    event = events[-1]["id"]
    assert admin.send("POST", f"/api/events/{event}/wrong", {"label": "roses"}).json == {"ok": True, "label": "roses"}
    assert (device.state / "dataset" / "roses" / f"event-{event}.jpg").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.parametrize("label", ["", ".", "../..", "/", "a" * 300, "\u0000", "\u202e"])
def test_label_that_cannot_be_files_nothing(device, admin, events, label):
    answer = admin.send("POST", f"/api/events/{events[-1]['id']}/wrong", {"label": label})
    assert answer.status in (400, 422) and answer.error


@pytest.mark.parametrize(
    ("label", "folder"),
    [("red cup", "red_cup"), ("Red_Cup", "red_cup"), ("Roses", "roses"), ("../x", "x"), ("background", "background")],
)
def test_wrong_event_is_filed_under_a_new_label_with_a_valid_name(device, admin, events, label, folder):
    event = events[-1]["id"]
    answer = admin.send("POST", f"/api/events/{event}/wrong", {"label": label})
    assert answer.status == 200 and answer.json["label"] == folder
    found = [path.relative_to(device.state) for path in device.state.rglob(f"event-{event}.jpg")]
    assert [path.as_posix() for path in found] == [f"dataset/{folder}/event-{event}.jpg"]


def test_deleted_event_is_gone(device, admin, events):
    path = f"/api/events/{events[-2]['id']}"
    assert admin.send("DELETE", path).status == 204
    assert admin.get(path).status == admin.get(f"{path}.jpg").status == admin.send("DELETE", path).status == 404
    assert device.anonymous().send("DELETE", "/api/events/x").status == 401


def test_symbolic_link_among_the_pictures_is_not_followed(device, admin, events):
    secret = device.state / "web-access.json"
    folder = device.state / "history" / "pictures" / "zz"
    folder.mkdir(parents=True)
    (folder / "zz-1.jpg").symlink_to(secret)
    answer = admin.get("/api/events/zz-1.jpg")
    assert answer.status == 404 and b"hash" not in answer.body


def test_deleted_pictures_are_gone_and_events_remain(device, admin, events):
    assert admin.send("DELETE", "/api/events/pictures").status == 204
    assert admin.get(f"/api/events/{events[-1]['id']}.jpg").status == 404
    assert admin.get(f"/api/events/{events[-1]['id']}").json["picture"] is False
