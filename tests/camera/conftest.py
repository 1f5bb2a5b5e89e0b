"""Servers and files for the tests of streams."""

import pytest

from support.streams import PASSWORD, web_camera


@pytest.fixture
def web():
    """A web camera for one test."""
    with web_camera() as server:
        yield server


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path
