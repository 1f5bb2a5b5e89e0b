"""The names: every class below one name at most, people below none."""

import numpy as np
import pytest

from appliance.errors import BaseModelError
from appliance.workshop.models.general.names import BACKGROUND, CLASSES, make_plan, read_plan


def test_shipped_plan_has_about_150_plain_names():
    plan = read_plan()
    assert 140 <= len(plan.labels) - 1 <= 160
    assert {"cat", "dog", "bird", "car", "cup", "bottle", "chair", "laptop", "banana"} < set(plan.labels)
    assert plan.labels[-1] == BACKGROUND
    assert all(label == label.lower() and label.replace(" ", "").isalpha() for label in plan.labels[:-1])


def test_every_class_stays_and_has_its_own_name():
    plan = read_plan()
    assert sorted(plan.order.tolist()) == list(range(CLASSES))
    assert len(set(plan.classes)) == CLASSES
    assert (np.diff(plan.groups) >= 0).all()  # SEGMENT_SUM needs them in order
    assert set(plan.groups.tolist()) == set(range(len(plan.labels)))


@pytest.mark.parametrize(
    ("name", "fine"),
    [("cat", "tabby"), ("dog", "pug"), ("hamburger", "cheeseburger"), ("cup", "coffee mug"), ("screen", "television")],
)
def test_class_is_below_its_name(name, fine):
    plan = read_plan()
    assert plan.labels[plan.groups[plan.classes.index(fine)]] == name


@pytest.mark.parametrize("person", ["ballplayer", "groom", "scuba diver"])
def test_people_are_below_no_name(person):
    plan = read_plan()
    assert plan.labels[plan.groups[plan.classes.index(person)]] == BACKGROUND


def test_class_below_two_names_is_an_error():
    with pytest.raises(BaseModelError, match="class 1 is below a too"):
        make_plan({"a": "0-1", "b": "1"}, ["x", "y"])


def test_class_that_does_not_exist_is_an_error():
    with pytest.raises(BaseModelError, match="there is no class 2"):
        make_plan({"a": "1-2"}, ["x", "y"])
