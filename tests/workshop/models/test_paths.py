"""The folders of training, and the labels of the bundled model."""

import subprocess
import sys
from pathlib import Path

from appliance.workshop.models.paths import BUNDLE, LABELS, REQUIRED_DATA, ROOT
from support.paths import CHILD_ENVIRONMENT


def test_paths_are_those_of_the_project():
    assert (BUNDLE / "manifest.json").is_file()
    assert (BUNDLE / "dict.txt").read_text().split()[:-1] == list(LABELS)
    assert (ROOT / "pyproject.toml").is_file()


def test_variables_name_other_folders(tmp_path):
    code = "from appliance.workshop.models.paths import *; print(WORK, CHOSEN, DATA, sep='\\n')"
    variables = {"BUNDLED_WORK": str(tmp_path / "work"), "APPLIANCE_TEST_DATA": str(tmp_path)}
    child = subprocess.run(
        [sys.executable, "-c", code], env=CHILD_ENVIRONMENT | variables, capture_output=True, text=True, check=True
    )
    work, chosen, folder = map(Path, child.stdout.split())
    assert (work, chosen.parent, folder) == (tmp_path / "work", work, tmp_path / "data")


def test_required_data_names_every_zip():
    assert all(name in REQUIRED_DATA for name in ("flowers_train.zip", "clothing_train.zip", "sign_digits_train.zip"))
