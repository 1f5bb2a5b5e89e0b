"""The highest versions that were seen, and steps back from them."""

import pytest

from appliance.workshop.publishing.seen_versions import (
    SeenVersion,
    encode_seen,
    find_step_back,
    merge_seen,
    parse_seen,
)

SEEN = {"timestamp": SeenVersion(6, "a"), "root": SeenVersion(1, "r")}


@pytest.mark.parametrize(
    ("found", "part"),
    [
        ({"timestamp": SeenVersion(7, "b")}, None),
        ({"timestamp": SeenVersion(6, "a"), "snapshot": SeenVersion(1, "s")}, None),
        ({}, None),
        ({"timestamp": SeenVersion(5, "a")}, "timestamp metadata is version 5, and version 6"),
        ({"timestamp": SeenVersion(6, "b")}, "version 6 of the timestamp metadata .* other contents"),
        ({"root": SeenVersion(1, "x")}, "root"),
    ],
)
def test_step_back_or_other_contents_are_found(found, part):
    import re

    text = find_step_back(SEEN, found)
    assert text is None if part is None else re.search(part, text)


def test_higher_versions_and_first_contents_stay():
    merged = merge_seen(
        SEEN, {"timestamp": SeenVersion(6, "b"), "root": SeenVersion(2, "q"), "targets": SeenVersion(3, "t")}
    )
    assert merged == {"timestamp": SeenVersion(6, "a"), "root": SeenVersion(2, "q"), "targets": SeenVersion(3, "t")}
    assert parse_seen(encode_seen(merged)) == merged


@pytest.mark.parametrize(
    "damaged", [None, [], {"timestamp": 5}, {"timestamp": {"version": 10**400, "sha256": ""}}, {"x": {}}]
)
def test_damaged_memory_is_left_out(damaged):
    assert parse_seen(damaged) == {}
