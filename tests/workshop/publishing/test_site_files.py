"""Files and the lock of a site."""

import os
import stat

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.site_files import convert_write_errors, lock_folder, write_public


def test_public_files_are_readable_by_everyone(tmp_path):
    write_public(tmp_path / "a" / "b.json", b"{}")
    assert stat.S_IMODE((tmp_path / "a" / "b.json").stat().st_mode) == 0o644


def test_os_errors_become_publish_errors(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PublishError, match=r"file.* cannot be written: (File exists|Not a directory)"),
        convert_write_errors(tmp_path),
    ):
        write_public(tmp_path / "file" / "b.json", b"{}")


def test_folder_is_locked_until_the_descriptor_is_closed(tmp_path):
    descriptor = lock_folder(tmp_path)
    with pytest.raises(PublishError, match="another `publish`"):
        lock_folder(tmp_path)
    os.close(descriptor)
    os.close(lock_folder(tmp_path))
    with pytest.raises(PublishError, match="is not a site"):
        lock_folder(tmp_path / "missing")
