"""The names of labels and of pictures."""

import pytest

from appliance.errors import TeachingError
from appliance.system.names import is_label_name
from appliance.teaching.names import clean_label, find_origin, find_recording, make_recorded_stem, parse_time


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cup", "cup"), ("hot dog", "hot_dog"), ("Müsli", "Musli"), ("Straße", "Strasse"), ("../../etc", "etc"),
        ("a\0b\x1b[31m\u202ec", "a_b_31mc"), ("x" * 300, "x" * 32), ("  cup  ", "cup"), ("\ud800cup", "cup"),
        ("Жук", "Zhuk"), ("日本", "RiBen"),
    ],
)  # fmt: skip
def test_label_gets_a_valid_name(text, name):
    assert clean_label(text) == name and is_label_name(name)


@pytest.mark.parametrize("text", ["", " ", "..", "…", "•", "\x1b", "___", "Train", "test"])
def test_label_without_letters_or_with_a_meaning_is_refused(text):
    with pytest.raises(TeachingError) as caught:
        clean_label(text)
    assert caught.value.status == 400 and "\x1b" not in str(caught.value)


def test_recording_survives_packing_and_importing():
    stem = make_recorded_stem(1_700_000_000.5, "1a2b3c4d")
    for name in (stem, f"{stem}.jpg", f"TRAIN/cup/{stem}.jpg", f"{stem}_2.jpg", f"import-{'0' * 20}_rec-1a2b3c4d.jpg"):
        assert find_recording(name) == "1a2b3c4d", name
    for name in ("IMG_1.jpg", "prec-1a2b3c4d.jpg", "rec-1a2b3c4dx.jpg", "20261129-231500-123-42.jpg", "rec-/a.jpg"):
        assert find_recording(name) is None, name


def test_name_states_origin_and_time():
    stem = make_recorded_stem(1_700_000_000.5, "1a2b3c4d")
    assert (find_origin(stem), parse_time(stem)) == ("recorded", 1_700_000_000.5)
    assert find_origin("20261129-231500-123-42") == find_origin("20261129-231500-123-42-door") == "collected"
    assert find_origin("event-9f8e7d6c5b4a-17") == "event"
    assert find_origin("import-0123456789abcdef0123_rec-1a2b3c4d") == "imported"
    assert find_origin("IMG_0001") is find_origin(f"{stem}x") is parse_time("IMG_0001") is None
    assert parse_time("99999999-999999-999-1") is None
