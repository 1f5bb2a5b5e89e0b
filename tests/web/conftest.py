"""One daemon with the page for all tests of a module that only read, or undo what they change."""

import pytest

from support.web import WebDevice


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    pytest.importorskip("fastapi")
    with WebDevice(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(device):
    return device.program()
