"""Downloads from servers that misbehave: limits hold, and interruptions are resumed."""

import json
import os
import subprocess
import sys

import pytest

from appliance.errors import HttpStatusError, SourceChangedError, SourceError
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http, HttpLimits
from appliance.transport.responses import Validators
from support.model_server import Body, Drip, Endless, Longer, Plain, Stall, Status, Truncate
from support.paths import CHILD_ENVIRONMENT
from support.transport import BIG, CONTENT, QUICK


def fetch(http, server, folder, path="/m", **spec):
    target = folder / "file"
    download(http, server.url(path), target, DownloadSpec(**{"max_bytes": BIG, **spec}))
    return target.read_bytes()


def ranges(server):
    return [request.headers.get("range") for request in server.asked("/m")]


def test_download_is_complete_and_reports_its_progress(http, server, tmp_path):
    reports = []
    answer = download(
        http, server.url("/m"), tmp_path / "file", DownloadSpec(BIG), lambda got, of: reports.append((got, of))
    )
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert reports[0] == (0, len(CONTENT)) and reports[-1] == (len(CONTENT), len(CONTENT))
    assert answer.validators.etag and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_interruption_is_resumed_immediately(http, server, tmp_path):
    server.fault("/m", Truncate(100_000), times=2)
    assert fetch(http, server, tmp_path) == CONTENT
    assert ranges(server) == [None, "bytes=100000-", "bytes=200000-"]
    assert [request.status for request in server.asked("/m")] == [200, 206, 206]
    assert server.asked("/m")[1].headers["if-range"] == server.files["/m"].etag


def test_rest_of_another_file_is_not_appended(http, server, tmp_path):
    """The server supports Range and ignores If-Range."""
    other = bytes(reversed(CONTENT))

    def answer(request):
        begin = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        server.routes.pop(("GET", "/m"))
        server.put("/m", other, etag='"another"')
        return Status(
            206, other[begin:], {"Content-Range": f"bytes {begin}-{len(other) - 1}/{len(other)}", "ETag": '"another"'}
        )

    server.fault("/m", Truncate(1000), times=1)
    server.fault("/m", Status(500), times=1)
    with pytest.raises(HttpStatusError):
        fetch(http, server, tmp_path, exact_bytes=len(CONTENT))
    server.route("GET", "/m", answer)
    assert fetch(http, server, tmp_path, exact_bytes=len(CONTENT)) == other
    assert ranges(server) == [None, "bytes=1000-", "bytes=1000-", None]


def test_interruption_is_resumed_by_the_next_call(http, server, tmp_path):
    server.fault("/m", Truncate(100_000), times=1)
    server.fault("/m", Status(503), times=1)
    with pytest.raises(HttpStatusError):
        fetch(http, server, tmp_path)
    assert fetch(Http(QUICK), server, tmp_path) == CONTENT
    assert ranges(server) == [None, "bytes=100000-", "bytes=100000-"]


def test_changed_file_is_fetched_again(http, server, tmp_path):
    server.fault("/m", Truncate(100_000), times=1)
    server.fault("/m", Status(503), times=1)
    with pytest.raises(SourceError):
        fetch(http, server, tmp_path)
    server.put("/m", CONTENT[::-1])
    assert fetch(http, server, tmp_path) == CONTENT[::-1]
    assert [request.status for request in server.asked("/m")][-1] == 200


def test_other_state_than_announced_is_refused(http, server, tmp_path):
    announced = http.head(server.url("/m")).validators
    server.put("/m", CONTENT[::-1])
    with pytest.raises(SourceChangedError, match="replaced while it was being fetched"):
        fetch(http, server, tmp_path, validators=announced)


@pytest.mark.parametrize("state", [{"etag": None}, {"etag": 'W/"x"'}])
def test_without_a_strong_validator_nothing_is_resumed(http, server, tmp_path, state):
    server.put("/m", CONTENT, **state)
    server.fault("/m", Truncate(100_000), times=1)
    with pytest.raises(SourceError):
        fetch(http, server, tmp_path)
    assert fetch(http, server, tmp_path) == CONTENT
    assert ranges(server) == [None, None]


def test_date_or_immutability_is_enough_to_resume(http, server, tmp_path):
    server.put("/m", CONTENT, etag=None, modified_s=1.6e9)
    server.fault("/m", Truncate(100_000), times=1)
    assert fetch(http, server, tmp_path) == CONTENT
    server.put("/m", CONTENT, etag=None)
    server.fault("/m", Truncate(100_000), times=1)
    assert fetch(http, server, tmp_path, immutable=True) == CONTENT
    assert ranges(server) == [None, "bytes=100000-"] * 2


def test_server_that_ignores_ranges_is_tolerated(http, server, tmp_path):
    server.fault("/m", Truncate(100_000), times=1)
    server.fault("/m", Plain())
    assert fetch(http, server, tmp_path) == CONTENT


def test_part_of_an_earlier_boot_is_not_used(http, server, tmp_path):
    (tmp_path / "file.part").write_bytes(bytes(100_000))
    facts = {"url": server.url("/m"), "etag": server.files["/m"].etag, "last_modified": None, "boot": "another"}
    (tmp_path / "file.part.json").write_text(json.dumps(facts))
    assert fetch(http, server, tmp_path) == CONTENT


@pytest.mark.parametrize("facts", ["", "[]", "null", "{"])
def test_part_without_its_facts_is_fetched_again(http, server, tmp_path, facts):
    (tmp_path / "file.part").write_bytes(bytes(100_000))
    (tmp_path / "file.part.json").write_text(facts)
    assert fetch(http, server, tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("fault", "spec", "sentence"),
    [
        (Endless(), {"max_bytes": 500_000}, "sends more than the 500000 bytes allowed"),
        (Longer(100), {"exact_bytes": len(CONTENT)}, "instead of the 307200 announced"),
        (Longer(100, announced=False), {"exact_bytes": len(CONTENT)}, "more than the 307200 bytes announced"),
        (Body(b"short"), {"exact_bytes": len(CONTENT)}, "has 5 bytes instead of the 307200 announced"),
        (None, {"max_bytes": 1000}, "has 307200 bytes, more than the limit of 1000"),
        (None, {"max_bytes": 1000, "exact_bytes": 2000}, "has 2000 bytes, more than the limit of 1000"),
        (Status(404), {}, "not found"),
        (Stall(5000), {"exact_bytes": len(CONTENT)}, "sent nothing for"),
    ],
)
def test_download_has_limits(http, server, tmp_path, fault, spec, sentence):
    if fault:
        server.fault("/m", fault)
    with pytest.raises(SourceError, match=sentence):
        fetch(http, server, tmp_path, **spec)
    assert not (tmp_path / "file").exists()


def test_slow_download_is_abandoned_and_resumed_later(http, server, tmp_path):
    server.fault("/m", Drip(every_s=0.05, size=50), times=1)
    with pytest.raises(SourceError, match=r"only \d+ bytes per second"):
        fetch(http, server, tmp_path)
    assert fetch(http, server, tmp_path) == CONTENT
    assert ranges(server)[1] is not None


def test_download_has_a_time_limit(server, tmp_path):
    http = Http(HttpLimits(silence_s=1, download_s=0.6, slow_bytes_per_s=0))
    server.fault("/m", Drip(every_s=0.05, size=100))
    with pytest.raises(SourceError, match="did not finish"):
        fetch(http, server, tmp_path)


def test_part_longer_than_the_file_is_discarded(http, server, tmp_path):
    server.fault("/m", Truncate(200_000), times=1)
    server.fault("/m", Status(503), times=1)
    with pytest.raises(SourceError):
        fetch(http, server, tmp_path)
    server.put("/m", CONTENT[:1000], etag=server.files["/m"].etag)
    assert fetch(http, server, tmp_path) == CONTENT[:1000]


def test_complete_part_is_not_fetched_again(http, server, tmp_path):
    """As after a kill between the last byte and the rename."""
    server.fault("/m", Truncate(200_000), times=1)
    server.fault("/m", Status(503), times=1)
    with pytest.raises(SourceError):
        fetch(http, server, tmp_path)
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert fetch(http, server, tmp_path) == CONTENT
    assert [request.status for request in server.asked("/m")] == [200, 503, 416]


def test_full_disk_is_an_error_of_the_disk(tmp_path):
    """In a separate namespace, on a file system of 256 kB."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    script = """
import errno, pathlib
from support.model_server import ModelServer
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
with ModelServer() as server:
    server.put("/m", bytes(2_000_000))
    try:
        download(Http(), server.url("/m"), pathlib.Path("file"), DownloadSpec(10_000_000))
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    mounted = f"mount -t tmpfs -o size=256k none '{tmp_path}' && cd '{tmp_path}' && exec '{sys.executable}' -c \"$0\""
    found = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted, script],
        capture_output=True,
        text=True,
        env=CHILD_ENVIRONMENT,
        timeout=60,
    )
    if "unshare" in found.stderr or "mount" in found.stderr:
        pytest.skip(f"no mount namespace here: {found.stderr.strip()}")
    assert found.stdout.strip() == "ENOSPC", found.stderr


def test_validators_make_conditions():
    assert Validators('"x"', "yesterday").conditions == {"If-None-Match": '"x"', "If-Modified-Since": "yesterday"}
    assert not Validators() and Validators().conditions == {}
    assert Validators('W/"x"', "yesterday").for_range is None
