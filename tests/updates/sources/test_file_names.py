"""Test the names of files from addresses."""

import pytest

from appliance.updates.sources.file_names import guess_manifest, make_safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [("m.tflite", "m.tflite"), ("кухня.zip", "кухня.zip"), ("a/b\n.zip", "a_b_.zip"), ("..", "model"), ("", "model")],
)
def test_name_is_safe_and_keeps_letters_of_all_scripts(name, safe):
    assert make_safe_name(name) == safe


def test_long_names_do_not_collide():
    names = {make_safe_name("я" * 200 + str(number) + ".tflite") for number in range(3)}
    assert len(names) == 3 and all(len(name.encode()) <= 110 and name.endswith(".tflite") for name in names)


def test_suffix_shows_a_manifest():
    assert guess_manifest("https://a/m.JSON") is True and guess_manifest("https://a/m.zip?x=1") is False
    assert guess_manifest("https://a/m.lite") is False
    assert guess_manifest("https://a/latest") is None
