"""An uploaded bundle is probed, stored, swapped in, and taken back if the daemon cannot use it."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.daemon.page.install import install_uploaded
from appliance.errors import ModelError, StoreError
from appliance.updates.store.store import Store
from support.paths import FLOWERS


def test_bundle_is_stored_and_swapped_in(tmp_path):
    store, reloads = Store(tmp_path, FLOWERS), []
    answer = install_uploaded(read_bundle(FLOWERS), "mine.zip", store, lambda: reloads.append(1))
    assert (answer["name"], answer["assumed"], reloads) == ("flowers", False, [1])
    assert store.read_state().current.origin == "mine.zip"


def test_bundle_that_the_daemon_cannot_use_is_removed(tmp_path):
    store = Store(tmp_path, FLOWERS)

    def fail():
        raise ModelError("no such label")

    with pytest.raises(StoreError, match="no such label"):
        install_uploaded(read_bundle(FLOWERS), "mine.zip", store, fail)
    assert store.read_state().current is None
