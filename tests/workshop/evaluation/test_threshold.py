"""Thresholds: written into a bundle by `appliance evaluate`, and chosen on validation pictures after a training."""

import json
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.cli import main
from appliance.workshop.evaluation.metrics import (
    Counts,
    Predictions,
)
from appliance.workshop.evaluation.threshold import (
    choose_validation_threshold,
    find_thresholds_for_precision,
    merge_thresholds,
)
from support.evaluations import make_bundle, make_shades, run_evaluate, write_pictures
from support.tiny_models import tiny_model


@pytest.fixture
def colors(tmp_path):
    return write_pictures(tmp_path / "colors", {label: make_shades(label, 20) for label in ("red", "green", "blue")})


def make_zip(folder, file, inside=""):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, inside + path.name)
    return file


def read_entries(file):
    with zipfile.ZipFile(file) as archive:
        return {
            entry.filename: (entry.date_time, entry.compress_type, archive.read(entry)) for entry in archive.infolist()
        }


def _write_confused(tmp_path):
    """Green pictures up to 0.6 and red ones up to 0.7 may be mistakes; blue ones are always right."""
    return write_pictures(
        tmp_path / "confused",
        {
            "red": make_shades("red", 40, 0.3, 0.95)
            + [(0.05, strength, 0.05) for strength in (0.3, 0.4, 0.45, 0.5, 0.55, 0.58)],
            "green": make_shades("green", 40, 0.3, 0.95) + [(strength, 0.05, 0.05) for strength in (0.3, 0.32)],
            "blue": make_shades("blue", 40, 0.3, 0.95),
        },
    )


def test_threshold_is_written_into_a_folder(tmp_path, colors, capsys):
    model = make_bundle(tmp_path / "model", name="paint", version="1.0", somebodyElses={"key": [1]})
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    (model / "manifest.json").chmod(0o604)
    status, value, err = run_evaluate(capsys, model, colors, "--set-threshold", "0.62")
    assert status == 0
    assert value["at_threshold"]["threshold"] == 0.62
    assert "threshold 0.62" in err
    assert json.loads((model / "manifest.json").read_bytes()) == json.loads(before["manifest.json"]) | {
        "confidenceThreshold": 0.62
    }
    assert (model / "manifest.json").stat().st_mode & 0o777 == 0o604
    assert {path.name: path.read_bytes() for path in model.iterdir() if path.suffix != ".json"} == {
        name: content for name, content in before.items() if not name.endswith(".json")
    }


def test_threshold_is_written_into_a_zip(tmp_path, colors, capsys):
    made = make_zip(make_bundle(tmp_path / "model", name="paint"), tmp_path / "model.zip", "inner/")
    made.chmod(0o640)
    before = read_entries(made)
    assert run_evaluate(capsys, made, colors, "--set-threshold", "0.62", "--set-threshold", "red=0.7")[0] == 0
    found = read_bundle(made)
    assert (found.confidence_threshold, dict(found.label_thresholds), found.identity.name) == (
        0.62,
        {"red": 0.7},
        "paint",
    )
    after = read_entries(made)
    assert list(after) == list(before)
    assert {name for name in after if after[name] != before[name]} == {"inner/manifest.json"}
    assert made.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colors", "model", "model.zip"]


def test_manifest_with_another_name_is_changed(tmp_path, colors, capsys):
    model = make_bundle(tmp_path / "model")
    (model / "manifest.json").unlink()
    ios = model / "automl_manifest.json"
    ios.write_text('{"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt",}')
    assert run_evaluate(capsys, model, colors, "--set-threshold", "0.3")[0] == 0
    assert read_bundle(model).confidence_threshold == 0.3
    assert sorted(path.name for path in model.iterdir()) == ["automl_manifest.json", "dict.txt", "model.tflite"]
    assert run_evaluate(capsys, model / "model.tflite", colors, "--set-threshold", "0.4")[0] == 0
    assert read_bundle(model).confidence_threshold == 0.4


@pytest.mark.parametrize("packed", [False, True])
def test_bundle_without_manifest_gets_one(tmp_path, colors, capsys, packed):
    model = make_bundle(tmp_path / "model")
    (model / "manifest.json").unlink()
    source = make_zip(model, tmp_path / "model.zip") if packed else model
    before = read_bundle(source).identity
    assert run_evaluate(capsys, source, colors, "--set-threshold", "0.3")[0] == 0
    found = read_bundle(source)
    assert (found.confidence_threshold, found.labels, found.identity) == (0.3, ("red", "green", "blue"), before)


def test_bare_model_cannot_hold_a_threshold(tmp_path, colors, capsys):
    (tmp_path / "bare.tflite").write_bytes(tiny_model("uint8", None))
    (tmp_path / "bare.txt").write_text("red\ngreen\nblue\n")
    status, _, err = run_evaluate(capsys, tmp_path / "bare.tflite", colors, "--set-threshold", "0.3")
    assert status == 1
    assert "without a manifest" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.tflite", "bare.txt", "colors"]


def test_common_threshold_replaces_all_and_label_is_added(tmp_path, colors, capsys):
    model = make_bundle(tmp_path / "model", confidenceThreshold=0.4, labelThresholds={"red": 0.9})
    _, value, _ = run_evaluate(capsys, model, colors, "--set-threshold", "green=0.8")
    assert value["at_threshold"]["label_thresholds"] == {"red": 0.9, "green": 0.8}
    assert (read_bundle(model).confidence_threshold, dict(read_bundle(model).label_thresholds)) == (
        0.4,
        {"red": 0.9, "green": 0.8},
    )
    _, value, _ = run_evaluate(capsys, model, colors, "--set-threshold", "0.5")
    assert (read_bundle(model).confidence_threshold, dict(read_bundle(model).label_thresholds)) == (0.5, {})
    assert value["at_threshold"]["label_thresholds"] == {}


def test_unknown_label_is_refused_with_similar_ones(tmp_path, colors, capsys):
    model = make_bundle(tmp_path / "model")
    before = (model / "manifest.json").read_bytes()
    status, _, err = run_evaluate(capsys, model, colors, "--set-threshold", "gren=0.3")
    assert status == 1
    assert "'gren'" in err and "'green'" in err
    assert (model / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("packed", [False, True])
def test_full_disk_leaves_the_bundle_unchanged(tmp_path, colors, packed):
    source, most_bytes = make_bundle(tmp_path / "model"), 100
    if packed:
        # Each file in it can be unpacked still, and all of them together not be packed again.
        most_bytes = (source / "model.tflite").stat().st_size
        (source / "notes.bin").write_bytes(random.Random(0).randbytes(most_bytes))
        source = make_zip(source, tmp_path / "model.zip")
    before = read_entries(source) if packed else (source / "manifest.json").read_bytes()
    listing = sorted(tmp_path.rglob("*"))
    # What Python sees then is what it sees on a full disk: an OSError in the middle of writing.
    limit = f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))"
    command = f"{limit}; from appliance.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["evaluate", str(source), str(colors), "--set-threshold", "0.3"]
    ran = subprocess.run([sys.executable, "-c", command, *arguments], capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    assert "cannot be written" in ran.stderr and "Traceback" not in ran.stderr
    assert (read_entries(source) if packed else (source / "manifest.json").read_bytes()) == before
    assert sorted(tmp_path.rglob("*")) == listing


def test_precision_is_reached_with_the_lowest_thresholds(tmp_path, capsys):
    model, confused = make_bundle(tmp_path / "model"), _write_confused(tmp_path)
    status, value, err = run_evaluate(capsys, model, confused, "--target-precision", "0.95")
    assert status == 0
    found = read_bundle(model)
    at = value["at_threshold"]
    assert (at["threshold"], at["label_thresholds"]) == (found.confidence_threshold, dict(found.label_thresholds))
    assert at["precision"] >= 0.95
    assert list(found.label_thresholds) == ["green"]
    curve = {one["threshold"]: one for one in value["curve"]}
    assert curve[at["threshold"]]["precision"] >= 0.95
    assert all((curve[place / 100]["precision"] or 0) < 0.95 for place in range(1, round(100 * at["threshold"])))
    assert all(one["precision"] >= 0.95 for one in value["per_label"])
    assert "green" in err
    # What was written is what counts from then on.
    assert run_evaluate(capsys, model, confused)[1]["at_threshold"] == at


def test_unreachable_precision_fails_and_writes_nothing(tmp_path, capsys):
    some = write_pictures(
        tmp_path / "some", {"red": make_shades("red", 15) + make_shades("green", 15), "green": make_shades("green", 15)}
    )
    model = make_bundle(tmp_path / "model")
    before = (model / "manifest.json").read_bytes()
    status, value, err = run_evaluate(capsys, model, some, "--target-precision", "0.9")
    assert status == 1
    assert "reaches a precision of 0.9" in err and "the best is 0.66" in err and "unchanged" in err
    assert value["at_threshold"]["threshold"] == 0.5
    assert (model / "manifest.json").read_bytes() == before


def test_label_that_cannot_reach_the_precision_is_reported(tmp_path, capsys):
    shown = {
        "red": make_shades("red", 100) + make_shades("green", 6),
        "green": make_shades("green", 12),
        "blue": make_shades("blue", 100),
    }
    status, value, err = run_evaluate(
        capsys, make_bundle(tmp_path / "model"), write_pictures(tmp_path / "some", shown), "--target-precision", "0.95"
    )
    assert status == 0
    assert "green alone does not reach 0.95" in err
    assert value["at_threshold"]["precision"] >= 0.95


def test_too_few_labels_give_no_precision(tmp_path, capsys):
    some = write_pictures(tmp_path / "some", {"red": make_shades("red", 2), "green": make_shades("green", 1)})
    status, _, err = run_evaluate(capsys, make_bundle(tmp_path / "model"), some, "--target-precision", "0.9")
    # Nine labels are given at 0.01: three for each picture.
    assert status == 1
    assert "no threshold gives at least 10 labels" in err


def test_both_threshold_options_are_wrong_usage(tmp_path, colors):
    with pytest.raises(SystemExit) as exit_:
        main(
            [
                "evaluate",
                str(make_bundle(tmp_path / "model")),
                str(colors),
                "--set-threshold",
                "0.5",
                "--target-precision",
                "0.9",
            ]
        )
    assert exit_.value.code == 2


def test_merged_thresholds_replace_or_add(tmp_path):
    bundle = read_bundle(make_bundle(tmp_path / "model", confidenceThreshold=0.4, labelThresholds={"red": 0.9}))
    assert merge_thresholds(bundle, [("green", 0.8)]) == (None, {"red": 0.9, "green": 0.8})
    assert merge_thresholds(bundle, [(None, 0.3), ("green", 0.8), (None, 0.5)]) == (0.5, {"green": 0.8})


def test_best_threshold_is_known_if_none_reaches_the_precision():
    scores = np.full((20, 1), 0.5, np.float32)
    targets = np.array([0] * 15 + [-1] * 5)
    predictions = Predictions(("a",), scores, targets, np.zeros(20, int), scores[:, 0])
    target = find_thresholds_for_precision(predictions, 0.9)
    assert target.threshold is None
    assert (target.best.threshold, target.best.counts) == (0.0, Counts(given=20, right=15, content=15))
    reached = find_thresholds_for_precision(predictions, 0.7)
    assert (reached.threshold, reached.label_thresholds, reached.unreached_labels) == (0.01, {}, ())


# The threshold that validation pictures choose


def test_lowest_threshold_with_95_percent_precision_is_chosen():
    # 40 right ones at 0.9, 10 wrong ones at 0.42: only above that are 95 % right.
    scores = np.vstack([np.tile([0.9, 0.05], (40, 1)), np.tile([0.42, 0.3], (10, 1))])
    choice = choose_validation_threshold(scores, np.array([0] * 40 + [1] * 10), None)
    assert choice.threshold == pytest.approx(0.43)
    assert (choice.precision, choice.recall) == (1.0, 0.8)


def test_label_of_a_background_picture_is_wrong():
    scores = np.vstack([np.tile([0.9, 0.05, 0.0], (40, 1)), np.tile([0.6, 0.1, 0.3], (40, 1))])
    targets = np.array([0] * 40 + [2] * 40)
    assert choose_validation_threshold(scores, targets, 2).threshold == pytest.approx(0.61)


def test_best_balance_is_chosen_if_no_threshold_is_precise():
    scores = np.vstack([np.tile([0.9, 0.1], (30, 1)), np.tile([0.9, 0.1], (5, 1)), np.tile([0.4, 0.2], (20, 1))])
    choice = choose_validation_threshold(scores, np.array([0] * 30 + [1] * 25), None)
    assert choice.threshold == pytest.approx(0.41)
    assert choice.precision == pytest.approx(30 / 35)


def test_few_pictures_give_the_default_threshold():
    assert choose_validation_threshold(np.tile([0.9, 0.1], (29, 1)), np.zeros(29, int), None).threshold == 0.5
