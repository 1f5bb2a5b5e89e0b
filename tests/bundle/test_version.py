"""bundle/version.py: which texts are versions, and which of two is newer."""

import time

import pytest

from appliance.bundle.version import count_up, is_newer, is_version

ACCEPTED = [
    "0",
    "1",
    "01.002",
    "1.2.0",
    "v1.0",
    "V1.0",
    "1!2.0",
    "1.0a",
    "1.0a1",
    "1.0.alpha",
    "1.0-beta_2",
    "1.0preview3",
    "1.0pre",
    "1.0c1",
    "1.0RC1",
    "1.0-1",
    "1.0.post",
    "1.0rev2",
    "1.0-r4",
    "1.0.dev",
    "1.0dev3",
    "1.0a1.post2.dev3",
    "1.0+abc",
    "1.0+ABC.1-2_x",
    "2026.10.19",
    "1" * 4000,
]
REJECTED = [
    "",
    "first",
    " 1.0",
    "1.0 ",
    "1.0\n",
    "\u00a01.0",
    "1.",
    ".1",
    "1..0",
    "1.0-",
    "1.0+",
    "1.0+a..b",
    "1.0+-a",
    "1.0a1b2",
    "1.0.post1a1",
    "1!",
    "!1",
    "vv1",
    "1.0 rc1",
    "sha256:0123456789ab",
    "1,0",
    "1/0",
    "1.0poſt1",
    "1.0+ſ",
    "٣.0",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_pep_440_version_is_accepted(text):
    assert is_version(text)


@pytest.mark.parametrize("text", REJECTED)
def test_other_text_is_rejected(text):
    assert not is_version(text)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 500_000,
        "1." * 250_000,
        "1" + " " * 500_000 + "x",
        " " * 500_000 + "x",
        "1-" + "1" * 500_000 + "x",
        "1a" + "1" * 500_000 + "!",
        "1!" * 250_000,
        "1.0" + "-" * 500_000,
    ],
)
def test_long_text_is_rejected_quickly(text):
    started = time.process_time()
    assert not is_version(text)
    assert time.process_time() - started < 1


def test_newer_follows_pep_440():
    assert is_newer("1.10", "1.9") and is_newer("2.0", "2.0rc1") and is_newer("1!0.1", "2.0")
    assert not is_newer("1.0", "1.0.0") and not is_newer("1.9", "1.10")


@pytest.mark.parametrize("other", [None, "sha256:0123456789ab", "1" * 5000])
def test_no_version_is_neither_newer_nor_older(other):
    assert not is_newer(other, "1.0") and not is_newer("1.0", other)


def test_versions_are_compared_as_versions():
    assert is_newer("1.10", "1.9") and is_newer("2.0", "2.0rc1") and is_newer("1!0.1", "2.0")
    assert not is_newer("1.0", "1.0.0") and not is_newer("sha256:0123456789ab", "1.0") and not is_newer(None, "1.0")


@pytest.mark.parametrize(
    ("version", "following"),
    [("1.2.3", "1.2.4"), ("0.2.0", "0.2.1"), ("7", "8"), ("1!2.0", "1!2.1"), ("2.0rc1", "2.1"), ("1.0+local.5", "1.1"),
     ("sha256:ab12", "1"), ("", "1"), ("9" * 5000, "1")],
)  # fmt: skip
def test_last_number_counts_up(version, following):
    assert count_up(version) == following
    if is_version(version):
        assert is_newer(following, version)
