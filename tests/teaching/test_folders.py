"""What is found in the folders of the dataset, and what is not."""

from appliance.teaching.folders import list_folders, stamp_folders
from support.teaching import collect, fill, make_jpeg, make_store


def listing_of(state):
    return list_folders(state / "dataset", state / "collected")


def test_pictures_are_found_with_label_origin_and_recording(tmp_path):
    store = make_store(tmp_path)
    (first,) = fill(store, "cup", 1)
    (other,) = fill(store, None, 1, "bbbbbbbb", 9)
    collected = collect(tmp_path)
    listing = listing_of(tmp_path)
    assert set(listing.pictures) == {first, other, collected}
    cup = listing.pictures[first]
    assert (cup.label, cup.is_background, cup.origin, cup.recording) == ("cup", False, "recorded", "aaaaaaaa")
    assert listing.pictures[other].is_background and listing.pictures[collected].origin == "collected"
    assert (listing.background, listing.unlabeled) == (1, 1)
    assert [(label.name, label.count, label.missing) for label in listing.labels] == [("cup", 1, 9)]


def test_links_are_never_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(make_jpeg(1))
    store = make_store(tmp_path / "state")
    fill(store, "cup", 1)
    (store.folder / "linked").symlink_to(outside)
    (store.folder / "cup" / "secret.jpg").symlink_to(outside / "secret.jpg")
    (store.folder / "loose.jpg").symlink_to(outside / "secret.jpg")
    listing = listing_of(tmp_path / "state")
    assert len(listing.pictures) == 1 and [label.name for label in listing.labels] == ["cup"]


def test_folder_with_another_name_is_noted_and_not_used(tmp_path):
    folder = tmp_path / "dataset" / "hot\x1b[31m dog"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(make_jpeg(1))
    (tmp_path / "dataset" / ".hidden").mkdir()
    listing = listing_of(tmp_path)
    assert not listing.pictures and not listing.labels
    (note,) = listing.notes
    assert "hot" in note and "\x1b" not in note


def test_files_of_a_person_get_ids_of_their_own(tmp_path):
    for label in ("cup", "bottle"):
        (tmp_path / "dataset" / label).mkdir(parents=True)
        (tmp_path / "dataset" / label / "IMG 1.JPG").write_bytes(make_jpeg(1))
        (tmp_path / "dataset" / label / "notes.txt").write_text("x")
    listing = listing_of(tmp_path)
    assert sorted(picture.label for picture in listing.pictures.values()) == ["bottle", "cup"]
    assert all(picture_id.replace("-", "").isalnum() for picture_id in listing.pictures)


def test_equal_names_in_two_folders_stay_apart(tmp_path):
    store = make_store(tmp_path)
    (stem,) = fill(store, "cup", 1)
    (store.folder / "mug").mkdir()
    (store.folder / "mug" / f"{stem}.jpg").write_bytes(make_jpeg(1))
    assert sorted(picture.label for picture in listing_of(tmp_path).pictures.values()) == ["cup", "mug"]


def test_stamp_changes_with_each_file(tmp_path):
    store = make_store(tmp_path)
    fill(store, "cup", 1)
    before = stamp_folders(store.folder, tmp_path / "collected")
    (store.folder / "cup" / "new.jpg").write_bytes(b"x")
    assert stamp_folders(store.folder, tmp_path / "collected") != before
