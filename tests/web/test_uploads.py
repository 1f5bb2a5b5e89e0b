"""Uploads as files: recognized by their first bytes, and gone afterwards."""

import asyncio
import resource

import pytest
from fastapi import Request

from appliance.errors import RequestError
from appliance.web.uploads import receive_bytes, receive_file


def make_request(*parts, length=None):
    size = sum(map(len, parts)) if length is None else length
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    headers = [(b"content-length", str(size).encode())] if size >= 0 else []
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}, receive)


async def receive_into(folder, request):
    async with receive_file(request, folder, "upload a model") as path:
        return path.name, path.read_bytes()


@pytest.mark.parametrize(("head", "name"), [(b"PK\x03\x04", "model.zip"), (bytes(4) + b"TFL3", "model.tflite")])
def test_kind_is_recognized_and_the_file_is_removed(tmp_path, head, name):
    assert asyncio.run(receive_into(tmp_path / "up", make_request(head, b"rest"))) == (name, head + b"rest")
    assert list((tmp_path / "up").iterdir()) == []


@pytest.mark.parametrize(
    ("parts", "remedy"),
    [
        ((b"",), "upload a model"),
        ((b"hello",), "upload a model"),
        ((b"\x00" * 100,), "upload a model"),
        ((b"--------------------------f00\r\nContent-Disposition: form-data",), "--data-binary"),
    ],
)
def test_other_files_are_refused(tmp_path, parts, remedy):
    with pytest.raises(RequestError, match=remedy) as raised:
        asyncio.run(receive_into(tmp_path, make_request(*parts)))
    assert raised.value.status == 422 and list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequestError) as raised:
        asyncio.run(receive_into(tmp_path / "file", make_request(b"PK\x03\x04")))
    assert raised.value.status == 507


def test_disk_that_fills_up_in_the_middle_leaves_nothing(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # writing fails as on a full disk
    try:
        with pytest.raises(RequestError, match="cannot be written") as raised:
            asyncio.run(receive_into(tmp_path / "up", make_request(b"PK\x03\x04", *[bytes(60_000)] * 4)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.status == 507 and list((tmp_path / "up").iterdir()) == []


def test_bytes_are_bounded_and_need_a_length():
    assert asyncio.run(receive_bytes(make_request(b"ab", b"c"), 3)) == b"abc"
    for request, status in (
        (make_request(b"abcd"), 413),
        (make_request(b""), 400),
        (make_request(b"a", length=-1), 411),
    ):
        with pytest.raises(RequestError) as raised:
            asyncio.run(receive_bytes(request, 3))
        assert raised.value.status == status
