"""Test that reasons carry no paths."""

import pytest

from appliance.updates.reasons import MAX_CHARS, make_reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/var/lib/appliance/downloads/ab12/bundle.zip crashed", "bundle.zip crashed"),
        ("the models in /var/lib/appliance/models cannot be changed", "the models in models cannot be changed"),
        ("https://h.example:8443/a/b/m.zip is not there", "https://h.example:8443/a/b/m.zip is not there"),
        ("http://[::1]:80/a/m.zip and and/or 50/60", "http://[::1]:80/a/m.zip and and/or 50/60"),
        ("it fails (/tmp/x/y.tflite)\nforged", "it fails (y.tflite) forged"),
    ],
)
def test_reason_has_file_names_instead_of_paths(text, reason):
    assert make_reason(text) == reason


def test_reason_is_bounded():
    assert len(make_reason("x" * 10_000)) == MAX_CHARS
