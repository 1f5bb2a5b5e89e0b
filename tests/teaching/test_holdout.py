"""The pictures that training does not see."""

import zlib

from appliance.teaching.holdout import choose_held_out, plan_training
from appliance.teaching.names import find_recording
from support.teaching import fill, make_store


def plan(store):
    listing = store.listing()
    return plan_training(listing.pictures.values(), [label.name for label in listing.labels])


def record(store, label, *sizes):
    for number, size in enumerate(sizes):
        fill(store, label, size, f"{zlib.crc32(str(label).encode()) & 0xFFFFFF:06x}{number:02x}", 100 * number)


def test_no_recording_is_on_both_sides(tmp_path):
    store = make_store(tmp_path)
    record(store, "cup", 12, 11, 10, 9)
    record(store, "mug", 20, 5, 5)
    record(store, None, 15, 15)
    found = plan(store)
    for label in ("cup", "mug", "background"):
        sides = [{find_recording(each.token) for each in side[label]} for side in (found.train, found.held_out)]
        assert sides[0] and sides[1] and not sides[0] & sides[1], label
        assert len(found.train[label]) >= len(found.held_out[label])
    assert found.labels == ["cup", "mug"] and not found.unmeasured


def test_label_of_one_recording_is_trained_but_not_measured(tmp_path):
    store = make_store(tmp_path)
    record(store, "cup", 30)
    record(store, "mug", 8, 8)  # holding out one would leave too few
    found = plan(store)
    assert found.unmeasured == ("cup", "mug") and not found.held_out
    assert (len(found.train["cup"]), len(found.train["mug"])) == (30, 16)


def test_half_taught_labels_are_named(tmp_path):
    store = make_store(tmp_path)
    record(store, "cup", 10)
    record(store, "mug", 9)
    store.add_label("spoon")
    found = plan(store)
    assert found.left_out == {"mug": 9, "spoon": 0} and found.labels == ["cup"] and found.pictures == 10


def test_pictures_without_recording_stand_for_themselves(tmp_path):
    store = make_store(tmp_path)
    folder = store.folder / "cup"
    folder.mkdir(parents=True)
    for number in range(40):
        (folder / f"{number}.jpg").write_bytes(b"x")
    pictures = list(store.listing().pictures.values())
    chosen = choose_held_out(pictures)
    assert 8 <= len(chosen) <= 12 and choose_held_out(pictures[::-1]) == chosen
