"""The folders that a training reads."""

from appliance.daemon.teaching.staging import stage_pictures
from appliance.teaching.holdout import plan_training
from support.teaching import fill, make_store


def test_pictures_are_linked_by_their_ids(tmp_path):
    store = make_store(tmp_path)
    cups = fill(store, "cup", 12, "aaaaaaaa") + fill(store, "cup", 12, "bbbbbbbb", 50)
    others = fill(store, None, 12, "cccccccc", 100)
    fill(store, "spoon", 3, "dddddddd", 150)
    listing = store.listing()
    plan = plan_training(listing.pictures.values(), [label.name for label in listing.labels])
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "old").touch()
    staged = stage_pictures(plan, tmp_path / "work")
    trained = {path.stem for path in (staged.train / "TRAIN" / "cup").iterdir()}
    held_out = {path.stem for path in (staged.held_out / "TEST" / "cup").iterdir()}
    assert trained | held_out == set(cups) and not trained & held_out and len(trained) == 12
    assert {path.stem for path in (staged.background / "background").iterdir()} == set(others)
    assert staged.held_out_background is None and not (tmp_path / "work" / "old").exists()
    assert {path.name for path in (staged.train / "TRAIN").iterdir()} == {"cup"}
    # What is deleted meanwhile stays for the training.
    store.delete(cups)
    assert next((staged.train / "TRAIN" / "cup").iterdir()).stat().st_size > 0


def test_picture_that_is_gone_is_skipped(tmp_path):
    store = make_store(tmp_path)
    (gone, *_) = fill(store, "cup", 12)
    plan = plan_training(store.listing().pictures.values(), ["cup"])
    (store.folder / "cup" / f"{gone}.jpg").unlink()
    staged = stage_pictures(plan, tmp_path / "work")
    assert len(list((staged.train / "TRAIN" / "cup").iterdir())) == 11
    assert staged.held_out is staged.background is None
