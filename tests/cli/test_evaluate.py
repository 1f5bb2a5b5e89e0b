"""Test `appliance evaluate`: its options, its exit statuses, and the thresholds that it writes."""

import json
import random
import subprocess
import sys
import zipfile

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.cli import main
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


def test_json_prints_one_value_and_wrong_usage_exits_with_2(tmp_path, colors, capsys):
    assert main(["evaluate", str(make_bundle(tmp_path / "model")), str(colors), "--json"]) == 0
    json.loads(capsys.readouterr().out)
    for wrong in (
        ["--set-threshold", "1.5"],
        ["--set-threshold", "red"],
        ["--target-precision", "x"],
        ["--split", "some"],
    ):
        with pytest.raises(SystemExit) as exit_:
            main(["evaluate", str(tmp_path / "model"), str(colors), *wrong])
        assert exit_.value.code == 2
    assert main(["evaluate", str(tmp_path / "model"), str(colors), "--seed", "-1"]) == 2
    assert main(["evaluate", str(tmp_path / "nothing"), str(colors)]) == 1
    assert main(["evaluate", str(tmp_path / "model"), str(tmp_path / "nothing")]) == 1


@pytest.mark.parametrize("option", ["--set-threshold", "--target-precision"])
@pytest.mark.parametrize("value", ["nan", "2", "-1", "inf", "", "half"])
def test_invalid_fraction_is_wrong_usage_and_nothing_is_read(option, value, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", str(tmp_path / "nothing"), str(tmp_path / "nothing"), f"{option}={value}"])
    assert exit_.value.code == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: " in err and "from 0 to 1" in err


@pytest.mark.parametrize("value", ["red=nan", "red=2", "red=-1", "red=", "=0.5"])
def test_invalid_label_threshold_is_wrong_usage(value, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", str(tmp_path / "nothing"), str(tmp_path / "nothing"), "--set-threshold", value])
    assert exit_.value.code == 2
    assert "argument --set-threshold: " in capsys.readouterr().err.splitlines()[-1]


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
        # Each file can still be unpacked, but all of them together cannot be packed again.
        most_bytes = (source / "model.tflite").stat().st_size
        (source / "notes.bin").write_bytes(random.Random(0).randbytes(most_bytes))
        source = make_zip(source, tmp_path / "model.zip")
    before = read_entries(source) if packed else (source / "manifest.json").read_bytes()
    listing = sorted(tmp_path.rglob("*"))
    # Python gets the same error as on a full disk: an OSError in the middle of writing.
    limit = f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))"
    command = f"{limit}; from appliance.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["evaluate", str(source), str(colors), "--set-threshold", "0.3"]
    ran = subprocess.run([sys.executable, "-c", command, *arguments], capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    assert "cannot be written" in ran.stderr and "Traceback" not in ran.stderr
    assert (read_entries(source) if packed else (source / "manifest.json").read_bytes()) == before
    assert sorted(tmp_path.rglob("*")) == listing


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


@pytest.fixture
def bad(tmp_path):
    """Make a model that confuses green and blue."""
    return make_bundle(tmp_path / "bad", labels="red blue green", name="bad", version="1.0")


def test_json_is_all_on_standard_output(tmp_path, colors, capsys):
    status, value, err = run_evaluate(capsys, make_bundle(tmp_path / "model"), colors)
    assert status == 0
    assert value["notes"]
    assert err.splitlines() == [f"appliance: {note}" for note in value["notes"]]
    assert {"accuracy", "at_threshold", "curve", "per_label", "background"} <= set(value)
    assert {"threshold", "precision", "recall"} <= set(value["at_threshold"])
    assert "against" not in value


def test_worse_model_exits_1_and_says_so_in_text(tmp_path, colors, bad, capsys):
    good = make_bundle(tmp_path / "good")
    assert main(["evaluate", str(bad), str(colors), "--against", str(good)]) == 1
    assert "worse" in capsys.readouterr().out.splitlines()[-1]
    assert main(["evaluate", str(good), str(colors), "--against", str(bad)]) == 0


def test_written_threshold_is_reported_on_standard_output(tmp_path, colors, capsys):
    model = make_bundle(tmp_path / "model")
    assert main(["evaluate", str(model), str(colors), "--set-threshold", "0.62", "--set-threshold", "red=0.7"]) == 0
    out = capsys.readouterr().out
    assert all(fact in out.splitlines()[-1] for fact in (str(model), "0.62", "red 0.7"))


def test_report_is_named(tmp_path, colors, capsys):
    assert main(["evaluate", str(make_bundle(tmp_path / "m")), str(colors), "--report", str(tmp_path / "r")]) == 0
    assert str(tmp_path / "r" / "index.html") in capsys.readouterr().out
    assert (tmp_path / "r" / "index.html").is_file()


def test_dataset_of_other_labels_is_an_error(tmp_path, colors, capsys):
    status, value, err = run_evaluate(capsys, make_bundle(tmp_path / "m", labels="x y z"), colors)
    assert (status, set(value)) == (1, {"error"})
    assert err.count("\n") == 1
