"""The model to run is the first that can be read and loaded."""

import pytest

from appliance.errors import BundleError
from appliance.updates.store.choice import choose_model
from appliance.updates.store.state import InstalledModel

ONE, TWO = (
    InstalledModel(letter * 64, "colours", version, letter * 64, "a test", "2026-01-01T00:00:00.000Z")
    for letter, version in (("a", "1.0"), ("b", "2.0"))
)


def read(lost):
    def read_one(model):
        if model in lost:
            raise BundleError("the files are gone")
        return model

    return read_one


def load(faulty):
    def load_one(bundle):
        if bundle in faulty:
            raise BundleError("it does not run")
        return "loaded"

    return load_one


def test_first_model_that_works_is_chosen():
    choice = choose_model([TWO, ONE, None], read([TWO]), load([]), ["before"])
    assert (choice.loaded, choice.installed) == ("loaded", ONE)
    assert choice.reasons == ("before", "the delivered colours 2.0 cannot be loaded: the files are gone")
    assert choice.faulty == ()


def test_only_whole_models_that_do_not_run_are_faulty():
    choice = choose_model([TWO, ONE, None], read([TWO]), load([ONE]))
    assert choice.installed is None
    assert [model for model, _ in choice.faulty] == [ONE]


def test_no_model_at_all_is_an_error():
    with pytest.raises(BundleError, match="no model can be loaded: .*2.0.*the bundled model cannot be loaded"):
        choose_model([TWO, None], read([TWO]), load([None]))
