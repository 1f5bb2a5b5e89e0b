"""The background bank is made from the same pictures each time, and its notice names the authors."""

import csv
from dataclasses import dataclass

from appliance.workshop.models.general import background
from appliance.workshop.models.general.background import DrawnPattern, choose_examples, list_authors


@dataclass(frozen=True)
class Named:
    name: str
    label: str


def test_same_number_of_each_label_is_drawn_always_alike():
    examples = [Named(f"{label}-{index}", label) for label in "ab" for index in range(30 if label == "a" else 8)]
    chosen = choose_examples(examples, 5)
    assert [example.label for example in chosen] == ["a"] * 5 + ["b"] * 5
    assert chosen == choose_examples(examples, 5)


def test_drawn_pattern_is_a_jpeg_that_depends_on_the_seed():
    assert DrawnPattern("p", 1).read_bytes()[:2] == b"\xff\xd8"
    assert DrawnPattern("p", 1).read_bytes() != DrawnPattern("p", 2).read_bytes()


def test_authors_of_the_chosen_photographs_are_listed_once(tmp_path, monkeypatch):
    (tmp_path / "flowers").mkdir()
    with (tmp_path / "flowers" / "flowers_trainval_index.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([["path", "author"], ["rose/1.jpg", "zoe"], ["rose/2.jpg", "Adam"], ["rose/3.jpg", "eve"]])
        rows.writerow(["tulip/4.jpg", "zoe"])
    monkeypatch.setattr(background, "DATA", tmp_path)
    assert list_authors({"1.jpg", "2.jpg", "4.jpg"}) == ["Adam", "zoe"]
