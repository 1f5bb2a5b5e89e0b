"""Test what is remembered of a server's files."""

import hashlib

import pytest

from appliance.updates.sources.content_memory import FILE_NAME, MAX_FILES, ContentMemory, is_hash_of


def test_other_content_under_the_same_validator_changes_the_token(tmp_path):
    memory = ContentMemory(tmp_path)
    assert memory.record("u", "etag:1", "a").token == "etag:1"
    assert memory.record("u", "etag:1", "a").token == "etag:1"
    assert memory.record("u", "etag:1", "b").token == "etag:1;sha256:b"
    again = ContentMemory(tmp_path).find("u", "etag:1")
    assert again.token == "etag:1;sha256:b" and again.is_bound
    assert ContentMemory(tmp_path).find("u", "etag:2") is None


@pytest.mark.parametrize("content", ["{", "[]", '{"u": 1}', '{"u": {"validator": 1}}', "\ud800"])
def test_unusable_file_is_forgotten(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content.encode("utf-8", "surrogatepass"))
    memory = ContentMemory(tmp_path)
    assert memory.find("u", "etag:1") is None
    memory.record("u", "etag:1", "a")
    assert ContentMemory(tmp_path).find("u", "etag:1")


def test_memory_is_bounded():
    memory = ContentMemory(None)
    for number in range(MAX_FILES + 5):
        memory.record(f"u{number}", "etag:1", "a")
    assert memory.find("u0", "etag:1") is None and memory.find(f"u{MAX_FILES + 4}", "etag:1")


@pytest.mark.parametrize(
    ("etag", "expected"),
    [
        (hashlib.md5(b"x").hexdigest(), True), ("W/" + '"' + hashlib.sha256(b"x").hexdigest() + '"', True),
        ('"665f0f00-1a2b"', False), (None, False), ('"' + hashlib.sha256(b"y").hexdigest() + '"', False),
    ],
)  # fmt: skip
def test_etag_that_is_a_hash_is_recognized(tmp_path, etag, expected):
    (tmp_path / "m").write_bytes(b"x")
    assert is_hash_of(etag, tmp_path / "m") is expected
