"""Several bundled models: the state names the one in use, and each replaces only delivered models of its own name."""

import shutil

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.updates.store.store import Store
from support.bundles import bundle_folder


@pytest.fixture
def shipped(tmp_path):
    return {
        name: bundle_folder(tmp_path / "program" / name, name=name, version="1.0") for name in ("general", "flowers")
    }


@pytest.fixture
def store(tmp_path, shipped):
    return open_store(tmp_path, shipped)


def open_store(tmp_path, shipped):
    (tmp_path / "state").mkdir(exist_ok=True)
    return Store(tmp_path / "state", shipped["flowers"], others=shipped)


def replace_bundle(folder, name, version):
    """Replace a bundle, as an upgrade of the program does."""
    shutil.rmtree(folder)
    bundle_folder(folder, name=name, version=version)


def start(store) -> str:
    choice = store.load_current()
    store.record_choice(choice)
    return f"{choice.bundle.identity.name} {choice.bundle.version}"


def test_default_one_labels_until_another_is_installed(store, shipped):
    assert start(store) == "flowers 1.0"
    store.install(read_bundle(shipped["general"]), "bundled:general")
    assert start(store) == "general 1.0"


def test_every_bundled_model_is_listed(store):
    assert [(each.name, each.roles) for each in store.list()] == [
        ("flowers", ("current", "bundled")),
        ("general", ("bundled",)),
    ]


def test_newer_one_replaces_only_its_own_name(store, shipped, tmp_path):
    store.install(read_bundle(shipped["general"]), "bundled:general")
    replace_bundle(shipped["flowers"], "flowers", "9.0")
    assert start(store) == "general 1.0"
    replace_bundle(shipped["general"], "general", "2.0")
    assert start(store) == "general 2.0"
    # The next process starts with the same one, not with the default.
    assert start(open_store(tmp_path, shipped)) == "general 2.0"


def test_damaged_model_falls_back_to_its_own_name(store, shipped):
    installed = store.install(read_bundle(shipped["general"]), "bundled:general")
    (store.path(installed) / "model.tflite").write_bytes(b"")
    assert start(store) == "general 1.0"
    assert store.read_state().current is None and store.read_state().bundled == "general"


def test_damaged_model_of_another_name_falls_back_to_the_default(store, shipped, tmp_path):
    own = store.install(read_bundle(bundle_folder(tmp_path / "own", name="own", version="3.0")), "a test")
    (store.path(own) / "model.tflite").write_bytes(b"")
    assert start(store) == "flowers 1.0"


def test_rollback_returns_to_the_bundled_model_before(store, shipped):
    store.install(read_bundle(shipped["general"]), "bundled:general")
    store.rollback("a test", refuse=False)
    assert start(store) == "flowers 1.0"
