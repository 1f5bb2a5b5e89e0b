"""The choices on the command line are the names in the types."""

import subprocess
import sys
from typing import get_args

import pytest

from appliance.workshop.datasets import split_names
from support.paths import CHILD_ENVIRONMENT


@pytest.mark.parametrize(
    ("kind", "choices"),
    [("Split", "SPLITS"), ("Subset", "SUBSETS"), ("PackSplit", "PACK_SPLITS"), ("PackFormat", "PACK_FORMATS")],
)
def test_choices_are_those_of_the_type(kind, choices):
    assert getattr(split_names, choices) == get_args(getattr(split_names, kind))


def test_every_split_can_be_evaluated_and_packed():
    assert set(split_names.SPLITS) <= set(split_names.SUBSETS)
    assert set(split_names.SPLITS) <= set(split_names.PACK_SPLITS)


def test_importing_it_loads_no_library():
    code = "import sys; import appliance.workshop.datasets.split_names; print({'numpy', 'PIL'} & set(sys.modules))"
    child = subprocess.run(
        [sys.executable, "-c", code], env=CHILD_ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert child.stdout.strip() == "set()"
