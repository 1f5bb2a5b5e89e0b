"""A site with its keys, a server for it, a device that follows it, and bundles to push."""

import pytest

from support import made_models
from support.bundles import bundle_folder
from support.model_server import ModelServer
from support.signed_site import Device, Operator


@pytest.fixture
def operator(tmp_path):
    return Operator(tmp_path)


@pytest.fixture
def server(operator):
    with ModelServer(operator.site) as server:
        yield server


@pytest.fixture
def device(tmp_path, operator, server):
    return Device(tmp_path / "device", operator.root, server.url())


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Bundles of versions 1.0, 2.0 and 3.0."""
    folder = tmp_path_factory.mktemp("bundles")
    return {
        version: bundle_folder(folder / version, version=version, model=made_models.good(number))
        for number, version in enumerate(("1.0", "2.0", "3.0"))
    }
