"""Parts of files on the disk."""

import json

import pytest

from appliance.system.device_id import boot_id
from appliance.transport.part_file import PartFile
from appliance.transport.responses import Validators

URL = "https://host/m.tflite?signature=1"
STATE = Validators('"a"', "Wed")


@pytest.fixture
def part(tmp_path):
    part = PartFile(tmp_path / "file")
    part.begin(URL, STATE)
    part.path.write_bytes(b"abc")
    return part


def test_part_of_another_process_can_be_resumed(part):
    again = PartFile(part.target)
    assert (again.size_bytes, again.validators) == (3, STATE)
    assert again.can_resume("https://host/m.tflite?signature=2", False, Validators())
    assert again.make_range_headers() == {"Range": "bytes=3-", "If-Range": '"a"'}


@pytest.mark.parametrize(
    ("url", "expected"), [("https://host/other", Validators()), (URL, Validators('"b"')), (URL, Validators('"a"'))]
)
def test_part_of_another_file_or_state_cannot_be_resumed(part, url, expected):
    assert not part.can_resume(url, False, expected)


def test_part_without_a_strong_validator_needs_immutability(part):
    part.begin(URL, Validators('W/"a"'))
    part.path.write_bytes(b"abc")
    assert not part.can_resume(URL, False, Validators())
    assert part.can_resume(URL, True, Validators())
    assert part.make_range_headers() == {"Range": "bytes=3-"}


def test_empty_part_and_part_of_another_boot_cannot_be_resumed(part, tmp_path):
    facts = tmp_path / "file.part.json"
    assert json.loads(facts.read_text()) == {
        "url": "https://host/m.tflite", "boot": boot_id(), "etag": '"a"', "last_modified": "Wed",
    }  # fmt: skip
    facts.write_text(facts.read_text().replace(boot_id(), "another"))
    assert not PartFile(part.target).can_resume(URL, False, Validators())
    part.path.write_bytes(b"")
    assert not part.can_resume(URL, False, Validators())


def test_finished_part_has_the_files_name(part, tmp_path):
    part.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert part.target.read_bytes() == b"abc"


def test_discarded_part_leaves_nothing(part, tmp_path):
    part.remove()
    part.remove()
    assert list(tmp_path.iterdir()) == [] and part.size_bytes == 0
