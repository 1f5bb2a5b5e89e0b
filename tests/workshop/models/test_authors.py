"""The list of authors that the license requires."""

import pytest

from appliance.workshop.models import authors
from appliance.workshop.models.authors import write_authors

# The index of the set has these columns, among others.
INDEX = """\
set,path,author,licence
train,daisy/1.jpg,Zoe,CC-BY-2.0
train,daisy/2.jpg,adam,CC-BY-2.0
train,roses/3.jpg,Zoe,CC-BY-2.0
train,roses/4.jpg,"Öz, the 2nd",CC-BY-2.0
val,tulips/5.jpg,Eve,CC-BY-2.0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "flowers").mkdir()
    monkeypatch.setattr(authors, "DATA", tmp_path)
    monkeypatch.setattr(authors, "BUNDLE", tmp_path)
    return tmp_path


def read_names(folder):
    text = (folder / "AUTHORS.txt").read_text(encoding="utf-8")
    return text.split("\n\n", 1)[1].splitlines()


def test_authors_of_training_photographs_are_listed_once(folder):
    """Those of val are not: the model did not learn from them."""
    (folder / "flowers" / "flowers_trainval_index.csv").write_text(INDEX, encoding="utf-8")
    write_authors()
    assert read_names(folder) == ["adam", "Zoe", "Öz, the 2nd"]


def test_list_names_license_and_source(folder):
    (folder / "flowers" / "flowers_trainval_index.csv").write_text(INDEX, encoding="utf-8")
    write_authors()
    text = (folder / "AUTHORS.txt").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by/2.0/" in text
    assert "flower_photos" in text


def test_bundled_list_is_that_of_the_data(folder, data, monkeypatch):
    from appliance.workshop.models.paths import BUNDLE

    monkeypatch.setattr(authors, "DATA", data)
    write_authors()
    bundled = (BUNDLE / "AUTHORS.txt").read_text(encoding="utf-8")
    assert read_names(folder) == bundled.split("\n\n", 1)[1].splitlines()


def test_missing_index_leaves_the_list_alone(folder):
    (folder / "AUTHORS.txt").write_text("as before")
    with pytest.raises(FileNotFoundError):
        write_authors()
    assert (folder / "AUTHORS.txt").read_text() == "as before"
