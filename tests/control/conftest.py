"""A server on the control socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.control.server import ControlServer
from support.control import echo


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def server(path: Path) -> Iterator[ControlServer]:
    with ControlServer(path, echo) as server:
        yield server
