"""The stages: which run is chosen, what happens without data; every module compiles."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import appliance.workshop.models
from appliance.workshop.models import stages
from appliance.workshop.models.stages import Stage, choose_middle
from support.paths import CHILD_ENVIRONMENT

PACKAGE = Path(appliance.workshop.models.__file__).parent
WITH_TORCH = {"calibration", "export", "network", "tflite_network", "train"}
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))


def run_child(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance.workshop.models", *arguments]
    return subprocess.run(command, env=CHILD_ENVIRONMENT | environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("module", MODULES)
def test_module_compiles(module):
    compile((PACKAGE / f"{module}.py").read_text(), module, "exec")


@pytest.mark.parametrize("module", sorted(set(MODULES) - WITH_TORCH))
def test_module_is_imported_without_torch(module):
    importlib.import_module(f"appliance.workshop.models.{module}")


def test_light_modules_load_no_large_library():
    """Naming the stages needs neither numpy nor anything that is not installed on a device."""
    code = (
        "import sys; import appliance.workshop.models.stages; "
        "print(*{'torch', 'sklearn', 'cv2', 'numpy'} & set(sys.modules))"
    )
    child = subprocess.run([sys.executable, "-c", code], env=CHILD_ENVIRONMENT, capture_output=True, text=True)
    assert child.stdout.split() == []
    assert child.returncode == 0, child.stderr


def test_middle_of_three_and_upper_of_two_are_chosen():
    assert choose_middle({"a": 0.9, "b": 0.7, "c": 0.8}) == "c"
    assert choose_middle({"a": 0.9, "b": 0.7}) == "a"
    assert choose_middle({"a": 0.5}) == "a"


def test_help_lists_every_stage():
    child = run_child("--help")
    assert child.returncode == 0
    assert all(stage in child.stdout for stage in Stage)


def test_unknown_stage_is_refused():
    assert run_child("test").returncode == 2


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("prepare", "flowers_train.zip"),
        ("evaluate", "flowers_train.zip"),
        ("ship", "stage export"),
        ("export", "torch"),
    ],
)
def test_stage_without_its_needs_ends_with_a_message(stage, message, tmp_path):
    if stage == "export" and importlib.util.find_spec("torch"):
        pytest.skip("torch is installed")
    child = run_child(stage, APPLIANCE_TEST_DATA=str(tmp_path), BUNDLED_WORK=str(tmp_path / "work"))
    assert child.returncode == 1
    assert message in child.stderr


def test_ship_copies_the_chosen_bundle(tmp_path, monkeypatch):
    chosen, bundle, data = tmp_path / "chosen", tmp_path / "bundled", tmp_path / "data"
    for folder in (chosen, bundle, data / "flowers"):
        folder.mkdir(parents=True)
    for file in ("model.tflite", "dict.txt", "manifest.json"):
        (chosen / file).write_text(f"new {file}")
    rows = ("author,set", "Zoe,train", "adam,train", "Zoe,train", "Eve,val")
    (data / "flowers" / "flowers_trainval_index.csv").write_text(os.linesep.join(rows))
    from appliance.workshop.models import authors

    for module in (stages, authors):
        monkeypatch.setattr(module, "BUNDLE", bundle)
    monkeypatch.setattr(stages, "CHOSEN", chosen)
    monkeypatch.setattr(authors, "DATA", data)
    stages.ship()
    assert (bundle / "model.tflite").read_text() == "new model.tflite"
    assert (bundle / "AUTHORS.txt").read_text().splitlines()[-2:] == ["adam", "Zoe"]
