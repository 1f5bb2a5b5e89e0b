"""A model server, and a device that uses it as its update source."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import made_models
from support.bundles import bundle_folder
from support.model_server import ModelServer
from support.rig import Rig


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def rig(tmp_path: Path, server: ModelServer) -> Iterator[Rig]:
    """Start a device that runs `colours 1.0` and checks only on demand."""
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    with Rig(tmp_path / "device", server.url("/manifest.json"), installed=installed) as rig:
        yield rig
