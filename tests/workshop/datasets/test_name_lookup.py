"""Names in an index that are not whole paths."""

from appliance.workshop.datasets.name_lookup import NameLookup

LOOKUP = NameLookup(["set/cat/1.jpg", "set/dog/1.jpg", "set/dog/2.png", "set/2.txt", "a/b.c.jpg"])


def test_end_of_a_path_is_found_if_it_is_the_only_one():
    assert LOOKUP.find("2.png") == "set/dog/2.png"
    assert LOOKUP.find("cat/1.jpg") == "set/cat/1.jpg"
    assert LOOKUP.find("dog\\2.png") == "set/dog/2.png"
    assert LOOKUP.find("1.jpg") is None and LOOKUP.find("bird/1.jpg") is None and LOOKUP.find("og/1.jpg") is None


def test_suffix_of_a_picture_may_be_missing():
    assert LOOKUP.find("2") == "set/dog/2.png"
    assert LOOKUP.find("dog/1") == "set/dog/1.jpg"
    assert LOOKUP.find("b.c") == "a/b.c.jpg"
    assert LOOKUP.find("1") is None


def test_case_counts_only_if_two_names_differ_in_it():
    lookup = NameLookup(["a/1.jpg", "b/2.JPG", "b/2.jpg"])
    assert lookup.find("A/1.JPG") == "a/1.jpg"
    assert (lookup.find("b/2.JPG"), lookup.find("b/2.Jpg")) == ("b/2.JPG", None)
