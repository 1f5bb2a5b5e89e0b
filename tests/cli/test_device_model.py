"""Commands label with the model and the runtime that the settings name."""

import json

import pytest

from appliance.cli import main
from appliance.labeling import interpreter
from support.evaluations import make_bundle, make_png
from support.tiny_models import RUNTIMES

MISSING = "litert" if "litert" not in RUNTIMES else "tflite-runtime"


@pytest.fixture(autouse=True)
def own_choice(monkeypatch, tmp_path):
    monkeypatch.setattr(interpreter, "_chosen", "auto")
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def model(tmp_path):
    return str(make_bundle(tmp_path / "model", name="paint", version="1.0"))


@pytest.fixture
def picture(tmp_path):
    (tmp_path / "picture.png").write_bytes(make_png(0.9, 0.6, 0.1))
    return str(tmp_path / "picture.png")


@pytest.mark.skipif(len(RUNTIMES) > 1, reason="both runtimes are installed")
@pytest.mark.parametrize(
    "command", ["label", "bench", "evaluate", "train", "model install", "model try", "publish push"]
)
def test_unavailable_runtime_of_the_settings_is_wrong_settings(command, model, picture, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "dataset"
    for label in ("red", "green"):
        for number in range(12):
            (folder / label).mkdir(parents=True, exist_ok=True)
            (folder / label / f"{number}.png").write_bytes(make_png(0.9, number / 20, label == "red"))
    words = {
        "label": ["label", picture, "--model", model],
        "bench": ["bench", "--model", model],
        "evaluate": ["evaluate", model, str(folder)],
        "train": ["train", str(folder), "--base", model, "--out", str(tmp_path / "out")],
        "model install": ["model", "install", model],
        "model try": ["model", "try", picture, "--model", model],
        "publish push": ["publish", "push", model, "--site", str(tmp_path / "site"), "--keys", str(tmp_path / "keys")],
    }[command]
    if command == "publish push":
        assert main(["publish", "init", *words[3:]]) == 0
    capsys.readouterr()
    monkeypatch.setenv("APPLIANCE_LABELER__RUNTIME", MISSING)
    assert main(words) == 78
    assert f"labeler.runtime is {MISSING}" in capsys.readouterr().err


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runtime_of_the_settings_is_used(runtime, model, monkeypatch, capsys):
    monkeypatch.setenv("APPLIANCE_LABELER__RUNTIME", runtime)
    assert main(["bench", "--model", model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runtime"].lower().startswith(runtime)


def test_model_of_the_settings_is_the_devices(model, picture, monkeypatch, capsys):
    monkeypatch.setenv("APPLIANCE_LABELER__MODEL", model)
    assert main(["label", picture, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["model"]["name"] == "paint"
    monkeypatch.setenv("APPLIANCE_LABELER__MODEL", "/nowhere.zip")
    assert main(["label", picture]) == 1
    assert "labeler.model: /nowhere.zip" in capsys.readouterr().err
