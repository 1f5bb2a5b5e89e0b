"""`--set-threshold` and `--target-precision`: the threshold goes into the bundle, and nothing else changes."""

import json
import random
import subprocess
import sys
import zipfile

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.cli import main
from support.evaluations import bundle, evaluate, pictures, shades
from support.tiny_models import tiny_model


@pytest.fixture
def colours(tmp_path):
    return pictures(tmp_path / "colours", {label: shades(label, 20) for label in ("red", "green", "blue")})


def zipped(folder, file, inside=""):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, inside + path.name)
    return file


def contents(file):
    with zipfile.ZipFile(file) as archive:
        return {
            entry.filename: (entry.date_time, entry.compress_type, archive.read(entry)) for entry in archive.infolist()
        }


def test_a_threshold_is_written_into_a_folder_and_the_rest_stays(tmp_path, colours, capsys):
    model = bundle(tmp_path / "model", name="paint", version="1.0", somebodyElses={"key": [1]})
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    (model / "manifest.json").chmod(0o604)
    status, value, said = evaluate(capsys, model, colours, "--set-threshold", "0.62")
    assert status == 0
    assert value["at_threshold"]["threshold"] == 0.62
    assert "now carries the threshold 0.62" in said
    assert json.loads((model / "manifest.json").read_bytes()) == json.loads(before["manifest.json"]) | {
        "confidenceThreshold": 0.62
    }
    assert (model / "manifest.json").stat().st_mode & 0o777 == 0o604
    assert {path.name: path.read_bytes() for path in model.iterdir() if path.suffix != ".json"} == {
        name: content for name, content in before.items() if not name.endswith(".json")
    }


def test_a_threshold_is_written_into_a_zip_and_the_other_entries_stay(tmp_path, colours, capsys):
    made = zipped(bundle(tmp_path / "model", name="paint"), tmp_path / "model.zip", "inner/")
    made.chmod(0o640)
    before = contents(made)
    assert evaluate(capsys, made, colours, "--set-threshold", "0.62", "--set-threshold", "red=0.7")[0] == 0
    found = read_bundle(made)
    assert (found.confidence_threshold, dict(found.label_thresholds), found.identity.name) == (
        0.62,
        {"red": 0.7},
        "paint",
    )
    after = contents(made)
    assert list(after) == list(before)
    assert {name for name in after if after[name] != before[name]} == {"inner/manifest.json"}
    assert made.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colours", "model", "model.zip"]


def test_a_manifest_with_another_name_and_a_trailing_comma_is_found(tmp_path, colours, capsys):
    model = bundle(tmp_path / "model")
    (model / "manifest.json").unlink()
    ios = model / "automl_manifest.json"
    ios.write_text('{"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt",}')
    assert evaluate(capsys, model, colours, "--set-threshold", "0.3")[0] == 0
    assert read_bundle(model).confidence_threshold == 0.3
    assert sorted(path.name for path in model.iterdir()) == ["automl_manifest.json", "dict.txt", "model.tflite"]
    assert evaluate(capsys, model / "model.tflite", colours, "--set-threshold", "0.4")[0] == 0
    assert read_bundle(model).confidence_threshold == 0.4


@pytest.mark.parametrize("packed", [False, True])
def test_a_bundle_without_a_manifest_gets_one(tmp_path, colours, capsys, packed):
    model = bundle(tmp_path / "model")
    (model / "manifest.json").unlink()
    source = zipped(model, tmp_path / "model.zip") if packed else model
    before = read_bundle(source).identity
    assert evaluate(capsys, source, colours, "--set-threshold", "0.3")[0] == 0
    found = read_bundle(source)
    assert (found.confidence_threshold, found.labels, found.identity) == (0.3, ("red", "green", "blue"), before)


def test_a_bare_model_has_no_place_for_a_threshold(tmp_path, colours, capsys):
    (tmp_path / "bare.tflite").write_bytes(tiny_model("uint8", None))
    (tmp_path / "bare.txt").write_text("red\ngreen\nblue\n")
    status, _, said = evaluate(capsys, tmp_path / "bare.tflite", colours, "--set-threshold", "0.3")
    assert status == 1
    assert "no manifest beside it" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.tflite", "bare.txt", "colours"]


def test_a_common_threshold_replaces_all_and_a_label_s_is_added(tmp_path, colours, capsys):
    model = bundle(tmp_path / "model", confidenceThreshold=0.4, labelThresholds={"red": 0.9})
    _, value, _ = evaluate(capsys, model, colours, "--set-threshold", "green=0.8")
    assert value["at_threshold"]["label_thresholds"] == {"red": 0.9, "green": 0.8}
    assert (read_bundle(model).confidence_threshold, dict(read_bundle(model).label_thresholds)) == (
        0.4,
        {"red": 0.9, "green": 0.8},
    )
    _, value, _ = evaluate(capsys, model, colours, "--set-threshold", "0.5")
    assert (read_bundle(model).confidence_threshold, dict(read_bundle(model).label_thresholds)) == (0.5, {})
    assert value["at_threshold"]["label_thresholds"] == {}


def test_a_label_that_the_model_lacks_is_refused_with_near_ones(tmp_path, colours, capsys):
    model = bundle(tmp_path / "model")
    before = (model / "manifest.json").read_bytes()
    status, _, said = evaluate(capsys, model, colours, "--set-threshold", "gren=0.3")
    assert status == 1
    assert "'gren'" in said and "'green'" in said
    assert (model / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("packed", [False, True])
def test_where_the_disk_takes_no_more_the_bundle_is_as_it_was(tmp_path, colours, packed):
    source, most_bytes = bundle(tmp_path / "model"), 100
    if packed:
        # Each file in it can be unpacked still, and all of them together not be packed again.
        most_bytes = (source / "model.tflite").stat().st_size
        (source / "notes.bin").write_bytes(random.Random(0).randbytes(most_bytes))
        source = zipped(source, tmp_path / "model.zip")
    before = contents(source) if packed else (source / "manifest.json").read_bytes()
    listing = sorted(tmp_path.rglob("*"))
    # What Python sees then is what it sees on a full disk: an OSError in the middle of writing.
    limit = f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))"
    command = f"{limit}; from appliance.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["evaluate", str(source), str(colours), "--set-threshold", "0.3"]
    ran = subprocess.run([sys.executable, "-c", command, *arguments], capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    assert "cannot be written" in ran.stderr and "Traceback" not in ran.stderr
    assert (contents(source) if packed else (source / "manifest.json").read_bytes()) == before
    assert sorted(tmp_path.rglob("*")) == listing


def _confused(tmp_path):
    """Green pictures up to 0.6 and red ones up to 0.7 may be mistakes; blue ones are always right."""
    return pictures(
        tmp_path / "confused",
        {
            "red": shades("red", 40, 0.3, 0.95)
            + [(0.05, strength, 0.05) for strength in (0.3, 0.4, 0.45, 0.5, 0.55, 0.58)],
            "green": shades("green", 40, 0.3, 0.95) + [(strength, 0.05, 0.05) for strength in (0.3, 0.32)],
            "blue": shades("blue", 40, 0.3, 0.95),
        },
    )


def test_a_precision_that_is_wanted_is_reached_with_the_lowest_thresholds(tmp_path, capsys):
    model, confused = bundle(tmp_path / "model"), _confused(tmp_path)
    status, value, said = evaluate(capsys, model, confused, "--target-precision", "0.95")
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
    assert "green" in said
    # What was written is what counts from then on.
    assert evaluate(capsys, model, confused)[1]["at_threshold"] == at


def test_a_precision_that_cannot_be_reached_is_said_and_nothing_is_written(tmp_path, capsys):
    some = pictures(tmp_path / "some", {"red": shades("red", 15) + shades("green", 15), "green": shades("green", 15)})
    model = bundle(tmp_path / "model")
    before = (model / "manifest.json").read_bytes()
    status, value, said = evaluate(capsys, model, some, "--target-precision", "0.9")
    assert status == 1
    assert "No threshold reaches a precision of 0.9" in said and "the best is 0.66" in said and "as it was" in said
    assert value["at_threshold"]["threshold"] == 0.5
    assert (model / "manifest.json").read_bytes() == before


def test_a_label_that_cannot_reach_it_alone_is_said(tmp_path, capsys):
    shown = {"red": shades("red", 100) + shades("green", 6), "green": shades("green", 12), "blue": shades("blue", 100)}
    status, value, said = evaluate(
        capsys, bundle(tmp_path / "model"), pictures(tmp_path / "some", shown), "--target-precision", "0.95"
    )
    assert status == 0
    assert "green alone does not reach 0.95" in said
    assert value["at_threshold"]["precision"] >= 0.95


def test_of_too_few_labels_no_precision_is_told(tmp_path, capsys):
    some = pictures(tmp_path / "some", {"red": shades("red", 2), "green": shades("green", 1)})
    status, _, said = evaluate(capsys, bundle(tmp_path / "model"), some, "--target-precision", "0.9")
    # Nine labels are given at 0.01: three for each picture.
    assert status == 1
    assert "No precision can be told" in said


def test_both_ways_at_once_are_wrong_usage(tmp_path, colours):
    with pytest.raises(SystemExit) as exit_:
        main(
            [
                "evaluate",
                str(bundle(tmp_path / "model")),
                str(colours),
                "--set-threshold",
                "0.5",
                "--target-precision",
                "0.9",
            ]
        )
    assert exit_.value.code == 2
