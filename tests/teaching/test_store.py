"""The dataset of the device: label, move, rename, delete, undo, and its limits."""

import pytest

from appliance.errors import TeachingError
from appliance.teaching.wording import Target
from support.teaching import collect, counts, fill, make_jpeg, make_store


def test_counts_name_what_is_missing(tmp_path):
    store = make_store(tmp_path)
    fill(store, "cup", 10)
    fill(store, "bottle", 3, "bbbbbbbb", 50)
    bottle, cup = store.describe()["labels"]
    assert (cup["name"], cup["count"], cup["enough"], cup["missing"]) == ("cup", 10, True, 0)
    assert (bottle["name"], bottle["enough"], bottle["missing"], bottle["recordings"]) == ("bottle", False, 7, 1)


def test_pictures_move_and_come_back_in_order(tmp_path):
    store = make_store(tmp_path)
    ids = fill(store, "cup", 4)
    assert store.move(ids[:2], Target("bottle")) == 2
    assert store.move(ids[2:3], Target(is_background=True)) == 1
    assert store.delete(ids[3:]) == 1
    assert (counts(store), store.describe()["background"], store.undo_steps) == ({"bottle": 2, "cup": 0}, 1, 3)
    assert "back" in store.undo()
    store.undo()
    assert make_store(tmp_path).undo() == "2 pictures are labeled as before"
    assert counts(make_store(tmp_path)) == {"bottle": 0, "cup": 4}


def test_collected_frame_takes_its_sidecar_along_and_back(tmp_path):
    store = make_store(tmp_path)
    picture = collect(tmp_path)
    store.move([picture], Target("cup"))
    assert sorted(path.suffix for path in (store.folder / "cup").iterdir()) == [".jpg", ".json"]
    assert not any((tmp_path / "collected").iterdir())
    store.undo()
    assert len(list((tmp_path / "collected").iterdir())) == 2 and store.describe()["unlabeled"] == 1


def test_label_is_renamed_merged_and_removed(tmp_path):
    store = make_store(tmp_path)
    ids = fill(store, "cup", 2) + fill(store, "mug", 1, first=20)
    assert store.rename_label("cup", "hot cup") == "hot_cup"
    assert store.rename_label("hot_cup", "MUG") == "mug"
    assert counts(store) == {"mug": 3}
    store.remove_label("mug")
    assert counts(store) == {} and store.describe()["unlabeled"] == 3
    for _ in range(3):
        store.undo()
    assert counts(store) == {"cup": 2, "mug": 1} and set(store.listing().pictures) == set(ids)


def test_label_exists_regardless_of_case(tmp_path):
    store = make_store(tmp_path)
    assert store.add_label("Cup") == "Cup" == store.add_label("cup")
    assert store.rename_label("Cup", "cup") == "cup"
    with pytest.raises(TeachingError, match="not a label"):
        store.add_label("background")
    for change in (lambda: store.remove_label("gone"), lambda: store.rename_label("gone", "x")):
        with pytest.raises(TeachingError) as caught:
            change()
        assert caught.value.status == 404


def test_ids_that_are_gone_are_ignored_until_none_is_left(tmp_path):
    store = make_store(tmp_path)
    ids = fill(store, "cup", 1)
    assert store.move([*ids, "gone", *ids], Target("mug")) == 1
    assert store.move(ids, Target("mug")) == 0
    with pytest.raises(TeachingError) as caught:
        store.delete(["gone"])
    assert caught.value.status == 404


def test_limit_of_the_dataset_is_kept_and_forgets_deleted_pictures_first(tmp_path):
    size = len(make_jpeg(0)) + 200
    store = make_store(tmp_path, max_bytes=4 * size)
    ids = fill(store, "cup", 3)
    store.delete(ids[:2])
    fill(store, "cup", 2, first=30)
    assert store.undo_steps == 0  # their space was needed
    with pytest.raises(TeachingError, match="collect.max_bytes") as caught:
        fill(store, "cup", 5, first=60)
    assert caught.value.status == 507 and len(store.listing().pictures) <= 4


def test_full_disk_is_one_sentence(tmp_path):
    store = make_store(tmp_path)
    store._kept_free_bytes = 10**18
    with pytest.raises(TeachingError, match="are free on the disk"):
        fill(store, "cup", 1)


def test_link_in_place_of_a_label_is_refused(tmp_path):
    store = make_store(tmp_path)
    ids = fill(store, "mug", 1)
    (tmp_path / "outside").mkdir()
    (store.folder / "cup").symlink_to(tmp_path / "outside")
    for change in (lambda: fill(store, "cup", 1, first=9), lambda: store.move(ids, Target("cup"))):
        with pytest.raises(TeachingError, match="symbolic link"):
            change()
    assert not any((tmp_path / "outside").iterdir())


def test_imported_pictures_are_removed_by_undo(tmp_path):
    store = make_store(tmp_path)
    (stem,) = fill(store, "cup", 1)
    store.note_imported([f"cup/{stem}.jpg"])
    assert store.undo() == "1 imported picture is removed" and counts(store) == {"cup": 0}


def test_change_is_announced(tmp_path):
    told = []
    store = make_store(tmp_path, on_change=lambda: told.append(1))
    fill(store, "cup", 1)
    store.add_label("mug")
    assert len(told) == 2
