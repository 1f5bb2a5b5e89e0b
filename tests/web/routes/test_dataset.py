"""The dataset on the device over HTTP, in a daemon with drawn scenes."""

import io
import zipfile

import pytest

from appliance.imaging.files import encode_jpeg, read_picture
from appliance.web.access.principal import Scope
from support.broker import wait_until
from support.teaching import FIRST_S, draw, fill


@pytest.fixture
def store(device):
    """The dataset of the device, which is empty afterwards."""
    store = device.service._teaching.dataset.store
    yield store
    ids = list(store.listing().pictures)
    if ids:
        store.delete(ids)
    for label in store.listing().labels:
        store.remove_label(label.name)


def make_zip(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def labels_of(admin):
    answer = admin.get("/api/dataset/labels").json
    return {label["name"]: label["count"] for label in answer["labels"]}


def test_labels_are_added_renamed_and_removed(admin, store):
    answer = admin.send("PUT", "/api/dataset/labels", {"add": "hot dog"})
    assert answer.status == 200 and answer.json["name"] == "hot_dog"
    answer = admin.send("PUT", "/api/dataset/labels", {"rename": {"from": "hot_dog", "to": "Würstchen"}})
    assert answer.json["name"] == "Wurstchen" and [each["name"] for each in answer.json["labels"]] == ["Wurstchen"]
    assert admin.send("PUT", "/api/dataset/labels", {"remove": "Wurstchen"}).json["labels"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "labels", {}, 400), ("PUT", "labels", {"add": "a", "remove": "b"}, 400),
        ("PUT", "labels", {"add": "•"}, 400), ("PUT", "labels", {"add": ""}, 422),
        ("PUT", "labels", {"add": "x" * 300}, 422), ("PUT", "labels", {"remove": "gone"}, 404),
        ("PATCH", "pictures", {"ids": []}, 422), ("PATCH", "pictures", {"ids": ["gone"], "label": "a"}, 404),
        ("PATCH", "pictures", {"ids": ["a"] * 2001, "label": "a"}, 422),
        ("PATCH", "pictures", {"ids": ["a"], "label": "a", "background": True}, 400),
        ("PATCH", "pictures", {"ids": ["a"]}, 400),
        ("DELETE", "pictures", {"ids": ["gone"]}, 404), ("DELETE", "pictures", None, 422),
        ("PUT", "recording", {}, 400), ("PUT", "recording", {"label": "a", "background": True}, 400),
        ("PUT", "recording", {"label": "a", "every_s": 0}, 422), ("PUT", "recording", {"label": 3}, 422),
        ("GET", "pictures?limit=0", None, 422), ("GET", "pictures?limit=101", None, 422),
        ("GET", "pictures?order=best", None, 422), ("GET", "pictures?cursor=x", None, 400),
        ("GET", "pictures?label=a&unlabeled=1", None, 400), ("GET", "pictures/gone.jpg", None, 404),
        ("GET", "pictures/..%2f..%2fa.jpg", None, 404), ("GET", "export/gone.zip", None, 404),
        ("POST", "export", None, 409), ("POST", "import", b"PK\x03\x04junk", 422), ("POST", "import", b"junk", 422),
    ],
)  # fmt: skip
def test_bad_request_is_one_sentence(admin, method, path, body, status):
    answer = admin.send(method, f"/api/dataset/{path}", body)
    assert (answer.status, bool(answer.error)) == (status, True), answer


def test_pictures_are_listed_shown_labeled_deleted_and_back(admin, store):
    ids = fill(store, "cup", 3)
    page = admin.get("/api/dataset/pictures?label=cup&limit=2").json
    assert [each["id"] for each in page["pictures"]] == ids[:0:-1] and page["next"]
    rest = admin.get(f"/api/dataset/pictures?label=cup&limit=2&cursor={page['next']}").json
    assert [each["id"] for each in rest["pictures"]] == ids[:1] and rest["next"] is None
    assert {key: rest["pictures"][0][key] for key in ("label", "background", "origin", "burst")} == {
        "label": "cup", "background": False, "origin": "recorded", "burst": "aaaaaaaa",
    }  # fmt: skip
    picture = admin.get(f"/api/dataset/pictures/{ids[0]}.jpg?size=32")
    assert max(read_picture(io.BytesIO(picture.body), "picture").shape) == 32
    steps = admin.get("/api/dataset/labels").json["undo"]
    answer = admin.send("PATCH", "/api/dataset/pictures", {"ids": ids[:2], "label": "Tall mug"})
    assert answer.json == {"changed": 2, "undo": min(20, steps + 1)} and labels_of(admin) == {"Tall_mug": 2, "cup": 1}
    admin.send("DELETE", "/api/dataset/pictures", {"ids": ids[2:]})
    assert labels_of(admin)["cup"] == 0
    assert "back" in admin.send("POST", "/api/dataset/undo").json["undone"] and labels_of(admin)["cup"] == 1


def test_uncertain_pictures_come_first_with_guesses_of_the_running_model(admin, store):
    fill(store, "tulips", 3)

    def guesses():
        pictures = admin.get("/api/dataset/pictures?label=tulips&order=uncertain").json["pictures"]
        return [each["guess"] for each in pictures]

    wait_until(lambda: all(guesses()), "guesses", 30)
    wrong = [guess["label"] != "tulips" for guess in guesses()]
    assert wrong == sorted(wrong, reverse=True)


def test_recording_counts_and_reaches_the_dataset(admin, store):
    first = admin.send("PUT", "/api/dataset/recording", {"label": "cup", "every_s": 0.1})
    assert first.status == 200 and first.json["active"] and first.json["label"] == "cup"
    assert admin.send("PUT", "/api/dataset/recording", {"label": "mug"}).status == 409

    def renew():
        return admin.send("PUT", "/api/dataset/recording", {"label": "cup", "every_s": 0.1}).json

    wait_until(lambda: renew()["kept"] >= 1, "a kept picture", 20)
    state = admin.send("DELETE", "/api/dataset/recording").json
    assert state["active"] is False and labels_of(admin) == {"cup": state["kept"]}


def test_export_and_import_keep_labels_and_recordings(admin, store):
    ids = fill(store, "cup", 2) + fill(store, None, 1, "bbbbbbbb", 50)
    export = admin.send("POST", "/api/dataset/export").json
    content = admin.get(export["url"])
    assert content.headers["content-type"] == "application/zip" and len(content.body) == export["bytes"]
    assert admin.get(export["url"]).status == 404
    store.delete(ids)
    store.remove_label("cup")
    answer = admin.send("POST", "/api/dataset/import?name=my.zip", content.body)
    assert (answer.json["added"], answer.json["left_out"]) == (3, [])
    assert set(store.listing().pictures) == set(ids) and store.describe()["background"] == 1
    again = admin.send("POST", "/api/dataset/import", content.body).json
    assert (again["added"], again["known"]) == (0, 3)
    assert "3 imported pictures are removed" in admin.send("POST", "/api/dataset/undo").json["undone"]


def test_hostile_zip_is_cleaned(admin, store):
    jpeg = encode_jpeg(draw(1))
    files = {"hot dog!/a.jpg": jpeg, "cat/\x1b[31mbad.jpg": b"<html>", "cat/good.jpg": encode_jpeg(draw(2))}
    answer = admin.send("POST", "/api/dataset/import?name=../../%1b[31mevil.zip", make_zip(files))
    assert answer.json["added"] == 2 and answer.json["left_out"] and "\x1b" not in str(answer.json)
    assert labels_of(admin) == {"cat": 1, "hot_dog": 1}
    refused = admin.send("POST", "/api/dataset/import?name=x.zip", make_zip({"../../up/a.jpg": jpeg}))
    assert refused.status == 422 and "x.zip" in refused.error
    assert not (store.folder.parent / "up").exists()


def test_reader_may_look_but_not_change(device, admin, store):
    (picture,) = fill(store, "cup", 1)
    reader = device.program(Scope.READ, "looker")
    assert reader.get("/api/dataset/labels").status == reader.get("/api/training").status == 200
    assert reader.get(f"/api/dataset/pictures/{picture}.jpg").status == 200
    assert reader.send("DELETE", "/api/dataset/pictures", {"ids": [picture]}).status == 403
    device.access.revoke_token("looker")


def test_changes_are_streamed(device, admin, store):
    told = []
    dataset = device.service._teaching.dataset
    before, dataset.notify = dataset.notify, lambda kind, data: told.append((kind, data))
    try:
        fill(store, "cup", 1, first=int(FIRST_S) % 100)
    finally:
        dataset.notify = before
    assert told[-1][0] == "dataset" and told[-1][1]["labels"][0]["count"] == 1


def test_import_of_no_zip_names_what_to_upload(admin):
    for body in (b"junk", bytes(4) + b"TFL3"):
        answer = admin.send("POST", "/api/dataset/import", body)
        assert answer.status == 422 and "folder of pictures" in answer.error and "bundle" not in answer.error
