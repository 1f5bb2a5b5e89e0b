"""Pictures of a phone, in folders with names as people write them, become a model by following the advice."""

import io
import re
import shlex
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from appliance.cli import main
from support.datasets import write_folder
from support.training import colored, write_base


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make_heic(color: str, seed: int) -> bytes:
    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    Image.open(io.BytesIO(colored(color, seed))).save(out, "HEIF", quality=90)
    return out.getvalue()


def test_phone_pictures_become_a_model_by_the_advice(tmp_path, capsys):
    files = {f"Hot Dogs/IMG_{n}.HEIC": make_heic("red", n) for n in range(20)}
    files |= {f"Müll & Co/IMG_{n}.HEIC": make_heic("green", 100 + n) for n in range(20)}
    phone = write_folder(tmp_path / "my phone", files)
    assert main(["dataset", "check", str(phone)]) == 1
    (command,) = re.findall(r"run:\s+(\S+ dataset pack .*)$", capsys.readouterr().out, re.M)
    base = write_base(tmp_path / "base.tflite")
    assert main(["train", str(phone), "--base", str(base), "--out", str(tmp_path / "model")]) == 1
    assert shlex.split(command)[1:] == shlex.split(capsys.readouterr().err.partition("run: appliance")[2])
    assert main([*shlex.split(command)[1:], "--convert"]) == 0
    (packed,) = (path for path in tmp_path.iterdir() if path.name.endswith("-renamed"))
    assert {path.suffix for path in Path(packed).rglob("IMG*")} == {".jpg"}
    assert main(["dataset", "check", str(packed)]) == 0
    assert main(["train", str(packed), "--base", str(base), "--out", str(tmp_path / "model")]) == 0
    assert (tmp_path / "model" / "dict.txt").read_text().split() == ["Hot_Dogs", "Mull_Co"]
