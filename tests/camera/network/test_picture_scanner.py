"""Pictures in streams whose headers are wrong in every way that was seen."""

import pytest

from appliance.camera.network import picture_scanner
from appliance.camera.network.picture_scanner import PictureScanner
from appliance.imaging.files import encode_jpeg
from support.streams import jpeg, noise, png

JPEG, PNG = jpeg(noise(1, 64, 48)), png(noise(2, 64, 48))
HEAD = b"Content-Type: image/jpeg\r\n"
SOUND = b"--x\r\nContent-Type: audio/basic\r\n\r\n\xff\xd8\xff\xdb\x00\x02\xff\xda\x00\x02abc" + bytes(500) + b"\r\n"


def scan(data, boundary=b"x", size=777):
    scanner = PictureScanner(boundary)
    return scanner, [picture for at in range(0, len(data), size) for picture in scanner.feed(data[at : at + size])]


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
def test_chunks_of_any_size_give_the_same_pictures(size):
    data = (b"--x\r\n" + HEAD + b"\r\n" + JPEG + b"\r\n--x\r\n\r\n" + PNG + b"\r\n") * 3
    scanner, pictures = scan(data, size=size)
    assert [picture.content for picture in pictures] == [JPEG, PNG] * 3
    assert all(picture.is_complete for picture in pictures)
    assert scanner.list_part_types() == ["image/jpeg"] and scanner.scanned_bytes == len(data)


@pytest.mark.parametrize(
    "part",
    [
        b"--x\r\nContent-Type: image/jpg\r\n\r\n%b\r\n",
        b"--x\r\nContent-Type: image/jpeg; charset=UTF-8\r\n\r\n%b\r\n",
        b"--x\r\n\r\n%b\r\n",
        b"x\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n",
        b"--x\nContent-Type: image/jpeg\n\n%b\n",
        b"--x\r\nContent-Type: image/jpeg\r\n\r\n%b",
        b"--x\r\nContent-Length: 99999\r\n\r\n%b\r\n",
        b"--x\r\nContent-Length: 10\r\n\r\n%b\r\n",
        b"--x\r\nno colon here\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n",
        b"%b",
        SOUND + b"--x\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n",
        SOUND + b"--x\r\n\r\n%b\r\n",
    ],
    ids=lambda part: part[:60].decode("latin-1").strip(),
)
def test_each_malformed_part_is_found(part):
    for picture in (JPEG, PNG):
        _, pictures = scan(part.replace(b"%b", picture) * 4)
        assert [found.content for found in pictures] == [picture] * 4


def test_progressive_jpeg_with_a_thumbnail_is_one_picture():
    inner = b"\xff\xe1" + (len(JPEG) + 2).to_bytes(2) + JPEG  # an APP1 segment that contains a JPEG
    outer = JPEG[:2] + inner + JPEG[2:]
    _, pictures = scan(outer * 2)
    assert [picture.content for picture in pictures] == [outer] * 2


def test_truncated_picture_is_incomplete_and_the_next_one_is_whole():
    cut = b"--x\r\n\r\n" + JPEG[: len(JPEG) // 2] + b"\r\n--x\r\n\r\n"
    _, pictures = scan((cut + JPEG + b"\r\n") * 2)
    assert [picture.is_complete for picture in pictures] == [False, True] * 2
    assert pictures[1].content == JPEG


def test_jpeg_cut_inside_its_header_does_not_hide_the_next_one():
    _, pictures = scan((JPEG[:100] + b"\r\n--x\r\n\r\n" + JPEG) * 3)
    assert [picture.content for picture in pictures if picture.is_complete].count(JPEG) >= 2


def test_camera_that_omits_the_end_marker_gives_incomplete_pictures():
    _, pictures = scan((b"--x\r\n" + HEAD + b"\r\n" + JPEG[:-2] + b"\r\n") * 4)
    assert len(pictures) == 3 and not any(picture.is_complete for picture in pictures)
    assert all(picture.content.startswith(JPEG[:-2]) for picture in pictures)


def test_stream_without_pictures_needs_little_memory_and_names_its_types(monkeypatch):
    scanner = PictureScanner(b"x")
    for _ in range(200):
        assert scanner.feed(b"--x\r\nContent-Type: video/h264\r\n\r\n" + bytes(50_000)) == []
    assert scanner.list_part_types() == ["video/h264"]
    assert len(scanner._buffer) < 100_000
    monkeypatch.setattr(picture_scanner, "MAX_PICTURE_BYTES", 100_000)
    scanner = PictureScanner()
    for _ in range(20):
        assert scanner.feed(b"\xff\xd8\xff\xda\x00\x02" + b"a" * 50_000) in ([], scanner.feed(b""))
    assert len(scanner._buffer) < 300_000


def test_restart_markers_and_fill_bytes_belong_to_the_scan():
    body = b"\xff\xd8\xff\xdb\x00\x04ab\xff\xff\xda\x00\x03abc\xff\x00d\xff\xd0e\xff\xff\xd9"
    _, pictures = scan(body + encode_jpeg(noise(3, 32, 32)))
    assert pictures[0].content == body and len(pictures) == 2
