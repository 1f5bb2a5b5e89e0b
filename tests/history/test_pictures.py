"""The folder of pictures: ids that are paths, links, and leftovers."""

import pytest

from appliance.history.pictures import PictureFolder


def test_picture_is_read_back(tmp_path):
    folder = PictureFolder(tmp_path / "pictures")
    folder.write("ab-1", b"jpeg")
    assert folder.read("ab-1") == b"jpeg" and folder.read("ab-2") is None


@pytest.mark.parametrize("event_id", ["../../etc/passwd", "..", "", "a/b", "a\0b", "x" * 200, "-x", ".hidden"])
def test_id_that_is_a_path_has_no_picture(tmp_path, event_id):
    folder = PictureFolder(tmp_path)
    assert folder.read(event_id) is None
    with pytest.raises(ValueError, match="no event id"):
        folder.write(event_id, b"x")


def test_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "pictures/ab").mkdir(parents=True)
    (tmp_path / "pictures/ab/ab-1.jpg").symlink_to(tmp_path / "secret")
    assert PictureFolder(tmp_path / "pictures").read("ab-1") is None


def test_sweep_keeps_only_known_pictures(tmp_path):
    folder = PictureFolder(tmp_path / "pictures")
    for number in (1, 2):
        folder.write(f"ab-{number}", b"jpeg")
    (tmp_path / "pictures/ab/.ab-3.jpg.x").write_bytes(b"half")
    folder.sweep({"ab-2"})
    assert [file.name for file in (tmp_path / "pictures/ab").iterdir()] == ["ab-2.jpg"]
    folder.remove_all()
    folder.sweep(set())
    assert not (tmp_path / "pictures").exists()
