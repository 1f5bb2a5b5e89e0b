"""Where an index finds its pictures."""

from appliance.workshop.datasets.index_paths import RowResolver
from appliance.workshop.datasets.index_text import IndexRecord
from support.datasets import make_picture, write_folder


def test_first_existing_path_is_used(tmp_path):
    write_folder(tmp_path, {"images/b.jpg": make_picture(1)})
    resolver = RowResolver(tmp_path / "i.json", {})
    resolver.add(IndexRecord("entry 1", "/data/upload/1/b.jpg", "cat", None, ("b.jpg", "images/b.jpg")))
    assert [row.path for row in resolver.rows] == [tmp_path / "images" / "b.jpg"]


def test_backslashes_are_folders_unless_the_name_has_them(tmp_path):
    write_folder(tmp_path, {"a/1.jpg": make_picture(1), "b\\2.jpg": make_picture(2)})
    resolver = RowResolver(tmp_path / "i.csv", {})
    for number, name in enumerate(["a\\1.jpg", "b\\2.jpg"], 1):
        resolver.add(IndexRecord(f"row {number}", name, "cat", None))
    assert [row.path for row in resolver.rows] == [tmp_path / "a" / "1.jpg", tmp_path / "b\\2.jpg"]


def test_label_of_refused_rows_is_known(tmp_path):
    resolver = RowResolver(tmp_path / "i.csv", {})
    resolver.add(IndexRecord("row 1", "../1.jpg", "cat", None))
    assert resolver.lost_labels == {"cat"} and not resolver.rows
