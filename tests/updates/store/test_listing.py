"""Test the list of models for people: order and roles."""

from dataclasses import replace

from appliance.bundle.identity import ModelIdentity
from appliance.updates.store.listing import list_models
from appliance.updates.store.state import InstalledModel, StoreState

BUNDLED = ModelIdentity("shipped", "1.0", "b" * 64)


def make_model(version):
    return InstalledModel(f"key-{version}", "colours", version, "a" * 64, "a test", "2026-01-01T00:00:00.000Z")


def list_roles(state):
    return [(listed.version, listed.roles) for listed in list_models(state, BUNDLED)]


def test_bundled_model_alone_is_current():
    listed = list_models(StoreState(), BUNDLED)
    assert [(each.name, each.roles, each.delivered) for each in listed] == [("shipped", ("current", "bundled"), None)]


def test_every_model_is_listed_with_its_role():
    state = StoreState(make_model("4"), make_model("3"), make_model("2"), make_model("5"), probation=True)
    assert list_roles(state) == [
        ("4", ("current", "probation")),
        ("3", ("previous",)),
        ("2", ("earlier",)),
        ("5", ("waiting",)),
        ("1.0", ("bundled",)),
    ]


def test_model_with_two_roles_is_listed_once():
    state = StoreState(make_model("4"), previous=make_model("3"))
    assert list_roles(replace(state, staged=make_model("3")))[1] == ("3", ("previous", "waiting"))


def test_bundled_model_on_the_way_back_is_listed_once():
    assert list_roles(StoreState(None, make_model("3"))) == [("1.0", ("current", "bundled")), ("3", ("previous",))]
