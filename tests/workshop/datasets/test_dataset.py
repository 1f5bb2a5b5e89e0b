"""Examples and label names."""

import pytest

from appliance.errors import PictureError
from appliance.workshop.datasets.label_names import label_name_error
from appliance.workshop.datasets.open import open_dataset
from support.datasets import make_files, write_folder


def test_picture_that_changed_after_opening_is_an_error(tmp_path):
    folder = write_folder(tmp_path / "set", make_files({"a": 2}))
    first, second = open_dataset(folder).examples
    (folder / "a" / "000.jpg").write_bytes(bytes(30_000_001))
    (folder / "a" / "001.jpg").unlink()
    with pytest.raises(PictureError, match="a/000.jpg is larger than 30 MB"):
        first.read_bytes()
    with pytest.raises(PictureError, match="001.jpg cannot be read: No such file"):
        second.read_bytes()


@pytest.mark.parametrize(
    ("label", "better"),
    [("t-shirt", "t_shirt"), ("  ", "label"), ("Müll & Co", "Mull_Co"), ("猫", "Mao"), ("x" * 40, "x" * 32)],
)
def test_invalid_label_name_gets_a_suggestion(label, better):
    assert f"example to {better!r}" in label_name_error(label)
    assert label_name_error(better) is None
