"""Training as its users meet it: the command, what it writes, and what it says when it cannot."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.cli import main
from appliance.imaging.files import read_picture
from appliance.labeling.labeler import Labeler
from appliance.workshop.evaluation.threshold import ThresholdChoice
from appliance.workshop.training.candidate import TrainedCandidate
from appliance.workshop.training.train import choose_candidate
from support.tiny_models import RUNTIMES, metadata
from support.training import coloured, write_base, write_pictures

COUNTS = {"red": 40, "green": 40, "blue": 40}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base.tflite")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures", COUNTS)


def train(*arguments: object) -> int:
    return main(["train", *map(str, arguments)])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pictures_in_folders_become_a_bundle_that_labels(pictures, base, tmp_path, capsys):
    assert train(pictures, "--base", base, "--out", tmp_path / "new", "--model-version", "1.2.0") == 0
    assert "learned 3 labels from 96 pictures" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["dict.txt", "manifest.json", "model.tflite"]
    bundle = read_bundle(tmp_path / "new")
    assert (bundle.identity.name, bundle.version, bundle.labels) == ("new", "1.2.0", ("blue", "green", "red"))
    assert 0.3 <= bundle.confidence_threshold <= 0.95
    (tmp_path / "fresh.png").write_bytes(coloured("green", 987_654))
    scores = Labeler(bundle).score(read_picture(tmp_path / "fresh.png"))
    assert bundle.labels[int(scores.argmax())] == "green"
    assert scores.max() > bundle.confidence_threshold


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_model_alone_carries_its_labels_and_runs_in_each_runtime(pictures, base, tmp_path, runtime):
    train(pictures, "--base", base, "--out", tmp_path / "new")
    (tmp_path / "alone").mkdir()
    (tmp_path / "new" / "model.tflite").rename(tmp_path / "alone" / "anything.tflite")
    bundle = read_bundle(tmp_path / "alone" / "anything.tflite")
    assert bundle.labels == ("blue", "green", "red")
    assert Labeler(bundle, runtime=runtime).score(np.full((9, 9, 3), (40, 40, 200), np.uint8)).argmax() == 0


def test_a_zip_is_written_where_a_zip_is_named(pictures, base, tmp_path):
    assert train(pictures, "--base", base, "--out", tmp_path / "new.zip") == 0
    assert read_bundle(tmp_path / "new.zip").labels == ("blue", "green", "red")
    with zipfile.ZipFile(tmp_path / "new.zip") as archive:
        assert sorted(archive.namelist()) == ["dict.txt", "manifest.json", "model.tflite"]


def test_the_same_seed_gives_the_same_bytes_with_and_without_remembered_features(pictures, base, tmp_path, monkeypatch):
    for place in ("first", "remembered", "elsewhere"):
        if place == "elsewhere":
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-cache"))
        assert train(pictures, "--base", base, "--out", tmp_path / place / "new", "--seed", 7) == 0
    first = contents(tmp_path / "first" / "new")
    assert first == contents(tmp_path / "remembered" / "new") == contents(tmp_path / "elsewhere" / "new")
    assert b"created" not in first["manifest.json"]


def test_the_time_stands_in_the_manifest_where_somebody_gives_it(pictures, base, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    train(pictures, "--base", base, "--out", tmp_path / "new")
    assert read_bundle(tmp_path / "new").created == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("epoch", ["999999999999", "99999999999999999", "9" * 30, "9" * 5000])
def test_a_time_that_is_none_is_said_before_anything_is_read(epoch, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert train(tmp_path / "nothing", "--base", tmp_path / "nothing.tflite", "--out", tmp_path / "new") == 1
    said = capsys.readouterr().err
    assert f"SOURCE_DATE_EPOCH is {epoch[:12]}" in said and said.count("\n") == 1 and len(said) < 200
    assert not (tmp_path / "new").exists()


def test_background_pictures_become_a_label_that_is_not_reported(pictures, base, tmp_path, capsys):
    other = write_pictures(tmp_path / "other", {"grey": 30, "yellow": 30})
    assert train(pictures, "--base", base, "--background", other, "--out", tmp_path / "new", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["pictures"]["background"] == 60
    bundle = read_bundle(tmp_path / "new")
    assert bundle.labels == ("blue", "green", "red", "background")
    assert bundle.background_label == "background"
    (tmp_path / "grey.png").write_bytes(coloured("grey", 123_456))
    assert main(["label", str(tmp_path / "grey.png"), "--model", str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["labels"] == []


def test_the_names_of_background_folders_do_not_matter(pictures, base, tmp_path, capsys):
    others = write_pictures(tmp_path / "others", {"grey": 30})
    (others / "grey").rename(others / "not one of them!")
    assert train(pictures, "--base", base, "--background", others, "--out", tmp_path / "new") == 0
    assert "not taken" not in capsys.readouterr().err


def test_too_few_background_pictures_are_said_of_their_own_dataset(pictures, base, tmp_path, capsys):
    others = write_pictures(tmp_path / "others", {"grey": 1})
    assert train(pictures, "--base", base, "--background", others, "--out", tmp_path / "new") == 1
    assert f"{others} has fewer than 2 pictures to learn as background" in capsys.readouterr().err


def test_a_dataset_of_its_own_to_validate_on(pictures, base, tmp_path, capsys):
    second = write_pictures(tmp_path / "second", {"red": 12, "green": 12, "blue": 12}, seed=70_000)
    assert train(pictures, "--validation", second, "--base", base, "--out", tmp_path / "new", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["pictures"]["train"], said["pictures"]["validation"], said["pictures"]["test"]) == (120, 36, 0)
    strange = write_pictures(tmp_path / "strange", {"grey": 12})
    assert train(pictures, "--validation", strange, "--base", base, "--out", tmp_path / "other") == 1
    assert "has the label 'grey', which" in capsys.readouterr().err


def test_of_several_bases_the_best_on_validation_wins(tmp_path, pictures, capsys):
    seeing = write_base(tmp_path / "seeing.tflite")
    # With so high a mean taken away, every picture is below zero: black.
    blind = write_base(tmp_path / "blind.tflite", "float32", metadata=metadata(mean=(1000.0,), std=(1.0,)))
    assert train(pictures, "--base", blind, "--base", seeing, "--out", tmp_path / "new", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["base"] == str(seeing)
    assert [tried["base"] for tried in said["bases"]] == [str(blind), str(seeing)]
    assert said["bases"][0]["accuracy"] < said["bases"][1]["accuracy"] == said["accuracy"]


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_base_that_gives_no_numbers_is_refused(pictures, tmp_path, capsys):
    broken = write_base(tmp_path / "broken.tflite", "float32", metadata=metadata(mean=(1e38,), std=(1e-38,)))
    assert train(pictures, "--base", broken, "--out", tmp_path / "new") == 1
    assert "broken.tflite cannot serve as a base: it gives values that are not numbers" in capsys.readouterr().err


def candidate(accuracy: float, invoke_ms: float) -> TrainedCandidate:
    return TrainedCandidate("base", accuracy, invoke_ms, 0.1, ThresholdChoice(0.5, 1.0, 1.0), b"", {}, (), ())


def test_latency_counts_only_between_bases_that_are_nearly_as_good():
    best, near, far = candidate(0.93, 20), candidate(0.915, 5), candidate(0.85, 1)
    assert choose_candidate([far, near, best], "accuracy") is best
    assert choose_candidate([far, near, best], "latency") is near


def test_unreadable_pictures_among_good_ones_are_said_and_left_out(pictures, base, tmp_path, capsys):
    broken = sorted((pictures / "red").iterdir())[5]
    broken.write_bytes(broken.read_bytes()[:80])
    assert train(pictures, "--base", base, "--out", tmp_path / "new") == 0
    said = capsys.readouterr().err
    assert "1 pictures could not be read and were left out" in said
    assert broken.name in said


def test_when_too_few_can_be_read_the_label_is_named(base, tmp_path, capsys):
    folder = write_pictures(tmp_path / "pictures", {"red": 12, "green": 12})
    for path in sorted((folder / "red").iterdir())[:5]:
        path.write_bytes(path.read_bytes()[:80])
    assert train(folder, "--base", base, "--out", tmp_path / "new") == 1
    said = capsys.readouterr().err
    assert "5 pictures could not be read, and fewer than 10 are left of red (7)" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("counts", "says"),
    [({"red": 40}, "only the label red"), ({"red": 40, "green": 9}, "fewer than 10 pictures of green \\(9\\)")],
)
def test_what_cannot_be_learned_from_is_refused(base, tmp_path, capsys, counts, says):
    import re

    assert train(write_pictures(tmp_path / "pictures", counts), "--base", base, "--out", tmp_path / "new") == 1
    assert re.search(says, capsys.readouterr().err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.tflite", "pictures"]


def test_few_pictures_without_background_are_warned_of(pictures, base, tmp_path, capsys):
    train(pictures, "--base", base, "--out", tmp_path / "new")
    assert "give it some of those with --background" in capsys.readouterr().err


def test_a_base_that_is_none_is_said_before_any_picture_is_read(pictures, tmp_path, capsys):
    (tmp_path / "base.tflite").write_bytes(b"no model")
    assert train(pictures, "--base", tmp_path / "base.tflite", "--out", tmp_path / "new") == 1
    assert "base.tflite cannot serve as a base" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--seed", "-1"], "--seed must be 0 or more"),
        (["--model-version", "one"], "not a version by PEP 440"),
        (["--model-version", "1.0 "], "'1.0 ' is not a version by PEP 440"),
        (["--model-version", "1.0\n"], "is not a version by PEP 440"),
        (["--name", " "], "--name must not be empty"),
    ],
)
def test_wrong_options_are_wrong_usage(pictures, base, tmp_path, capsys, options, says):
    assert train(pictures, "--base", base, "--out", tmp_path / "new", *options) == 2
    assert says in capsys.readouterr().err


def test_an_older_bundle_is_replaced_and_anything_else_is_left_alone(pictures, base, tmp_path, capsys):
    out = tmp_path / "new"
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.0.0") == 0
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.1.0") == 0
    assert read_bundle(out).version == "1.1.0"
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "monday.txt").write_text("dear diary")
    assert train(pictures, "--base", base, "--out", tmp_path / "diary") == 1
    assert "holds something else than a model bundle" in capsys.readouterr().err
    assert contents(tmp_path / "diary") == {"monday.txt": b"dear diary"}


def test_a_dataset_of_the_name_of_the_new_bundle_is_left_alone(pictures, base, tmp_path, capsys):
    packed = tmp_path / "flowers.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(pictures.rglob("*.png")):
            archive.write(path, path.relative_to(pictures))
    before = packed.read_bytes()
    assert train(packed, "--base", base, "--out", packed) == 1
    assert f"{packed} is there and is something else than a model bundle" in capsys.readouterr().err
    assert packed.read_bytes() == before
    (tmp_path / "new.zip").write_bytes(b"half a download")
    assert train(pictures, "--base", base, "--out", tmp_path / "new.zip") == 1
    assert (tmp_path / "new.zip").read_bytes() == b"half a download"


@pytest.mark.parametrize("manifest", [None, '{"name": "a web page", "icons": []}', '["no", "bundle"]', "no JSON"])
def test_what_lies_beside_a_manifest_is_left_alone(pictures, base, tmp_path, capsys, manifest):
    out = tmp_path / "new"
    assert train(pictures, "--base", base, "--out", out) == 0
    if manifest is not None:
        (out / "manifest.json").write_text(manifest)
    else:
        (out / "notes.txt").write_text("what I tried")
    before = contents(out)
    assert train(pictures, "--base", base, "--out", out, "--seed", "1") == 1
    assert "holds something else than a model bundle, which would be lost" in capsys.readouterr().err
    assert contents(out) == before


def test_an_older_zip_is_replaced(pictures, base, tmp_path):
    out = tmp_path / "new.zip"
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.0.0") == 0
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.1.0") == 0
    assert read_bundle(out).version == "1.1.0"


@pytest.mark.parametrize("out", [".", "..", "/", ".zip"])
def test_a_place_without_a_name_is_said_at_once(base, tmp_path, capsys, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    assert train(tmp_path / "nowhere", "--base", base, "--name", "mine", "--out", out) == 1
    assert f"{out} names no bundle: give the folder or the .zip a name" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_said_at_once(pictures, base, capsys):
    assert train(pictures, "--base", base, "--out", "/proc/nowhere/new") == 1
    assert "/proc/nowhere/new cannot be written" in capsys.readouterr().err


def test_a_budget_that_is_too_short_for_any_picture_is_said(pictures, base, tmp_path, capsys):
    assert train(pictures, "--base", base, "--out", tmp_path / "new", "--budget", "0.001s") == 1
    assert "The budget is too short: 108 pictures were not looked at in time" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "appliance", "train", *map(str, arguments)]


def on_terminal(*arguments: object) -> tuple[subprocess.Popen, int]:
    """The command with a terminal for its standard error, and our end of that."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(*arguments), stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    return process, ours


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What is said until `wanted` is, or the end."""
    seen = b""
    try:
        while wanted not in seen and (chunk := os.read(terminal, 4096)):
            seen += chunk
    except OSError:
        pass  # the other end was closed: on Linux that is an error
    return seen


def test_ctrl_c_leaves_what_was_there_and_nothing_half_written(pictures, base, tmp_path):
    out = tmp_path / "out" / "new"
    assert train(pictures, "--base", base, "--out", out) == 0
    before = contents(out)
    many = write_pictures(tmp_path / "many", {"red": 500, "green": 500, "blue": 500})
    process, terminal = on_terminal(many, "--validation", pictures, "--base", base, "--out", out)
    assert b"looking at the pictures" in read_until(terminal, b"looking at the pictures")
    assert len(list(out.parent.iterdir())) == 2
    process.send_signal(signal.SIGINT)
    said = read_until(terminal, b"no end of it")
    os.close(terminal)
    assert process.wait(30) == 130
    assert b"Traceback" not in said
    assert contents(out) == before
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.skipif(
    not shutil.which("strace"), reason="strace, which sends a signal at a chosen call, is not installed"
)
@pytest.mark.parametrize("when, stands", [(1, "1.0.0"), (2, "2.0.0")])
def test_ctrl_c_between_the_renames_leaves_a_bundle_in_its_place(pictures, base, tmp_path, when, stands):
    out = tmp_path / "out" / "new"
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.0.0") == 0
    calls = "?rename,?renameat,?renameat2"  # which of them there is depends on the processor
    done = subprocess.run(
        [
            "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGINT:when={when}",
            *command(pictures, "--base", base, "--out", out, "--model-version", "2.0.0"),
        ],
        capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert read_bundle(out).version == stands
    assert list(out.parent.iterdir()) == [out]


def test_a_full_disk_is_said_and_leaves_nothing(pictures, base, tmp_path):
    # No file may grow beyond 2 kB: the same as a full disk for whoever writes.
    limited = [
        "sh",
        "-c",
        'ulimit -f 4; exec "$@"',
        "sh",
        *command(pictures, "--base", base, "--out", tmp_path / "out" / "new"),
    ]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"{tmp_path / 'out' / 'new'} cannot be written: File too large." in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_terminal_sees_progress(pictures, base, tmp_path):
    process, terminal = on_terminal(pictures, "--base", base, "--out", tmp_path / "new")
    seen = read_until(terminal, b"no end of it")
    os.close(terminal)
    assert process.wait(30) == 0
    assert b"looking at the pictures with base.tflite: 108 of 108" in seen


def test_background_pictures_do_not_count_as_right_answers(pictures, base, tmp_path, capsys):
    other = write_pictures(tmp_path / "other", {"grey": 200})
    blind = write_base(tmp_path / "blind.tflite", "float32", metadata=metadata(mean=(1000.0,), std=(1.0,)))
    assert train(pictures, "--base", blind, "--background", other, "--out", tmp_path / "new", "--json") == 0
    # It calls everything background: right for most pictures, and for none with a label.
    assert json.loads(capsys.readouterr().out)["accuracy"] == 0


def test_real_pictures_on_a_published_base_and_pictures_of_something_else(data, tmp_path, capsys):
    base = data / "models" / "mobilenet_v1_0.5_160_quant.tflite"
    assert train(data / "sign_digits" / "sign_digits_val.zip", "--base", base, "--out", tmp_path / "new", "--json") == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.75  # of ten labels, from 27 pictures each
    others = sorted(str(path) for path in (data / "images").iterdir())
    assert main(["label", *others, "--model", str(tmp_path / "new"), "--json"]) == 0
    labeled = [entry["picture"] for entry in json.loads(capsys.readouterr().out) if entry["labels"]]
    assert len(labeled) <= 1, labeled
