"""Free space for downloads."""

import errno
import shutil
from collections import namedtuple

import pytest

from appliance.errors import DiskFullError, SourceError
from appliance.transport.disk_space import RESERVE_BYTES, is_disk_full, require_free_space

MB = 1_000_000


@pytest.fixture
def free(monkeypatch):
    def set_free(free_bytes):
        usage = namedtuple("usage", "free")(free_bytes)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)

    return set_free


def test_three_copies_and_the_reserve_must_fit(free, tmp_path):
    free(3 * 10 * MB + RESERVE_BYTES)
    require_free_space(tmp_path, 10 * MB)
    free(3 * 10 * MB + RESERVE_BYTES - 1)
    with pytest.raises(DiskFullError, match=r"46 MB are free .* needs 47 MB"):
        require_free_space(tmp_path, 10 * MB)
    require_free_space(tmp_path, 10 * MB, have_bytes=MB)


def test_unknown_size_needs_the_reserve_only(free, tmp_path):
    free(RESERVE_BYTES)
    require_free_space(tmp_path, None)
    free(RESERVE_BYTES - 1)
    with pytest.raises(DiskFullError):
        require_free_space(tmp_path, None)


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (DiskFullError("x"), True),
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EIO, "x"), False),
        (SourceError("x"), False),
    ],
)
def test_full_disk_and_full_quota_are_recognized(error, is_full):
    assert is_disk_full(error) == is_full
