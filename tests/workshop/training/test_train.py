"""Training by its command: its output, its errors, and what it writes."""

import json

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.input_spec import InputSpec
from appliance.cli import main
from appliance.imaging.files import read_picture
from appliance.labeling.labeler import Labeler
from appliance.workshop.evaluation.threshold import choose_validation_threshold
from appliance.workshop.training.candidate import TrainedCandidate
from appliance.workshop.training.train import choose_candidate
from support.tiny_models import RUNTIMES, metadata
from support.training import colored, read_files, train, write_base, write_pictures


def test_pictures_in_folders_become_a_bundle(pictures, base, tmp_path, capsys):
    assert train(pictures, "--base", base, "--out", tmp_path / "new", "--model-version", "1.2.0") == 0
    assert "trained 3 labels on 120 pictures" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["dict.txt", "manifest.json", "model.tflite"]
    bundle = read_bundle(tmp_path / "new")
    assert (bundle.identity.name, bundle.version, bundle.labels) == ("new", "1.2.0", ("blue", "green", "red"))
    assert 0.3 <= bundle.confidence_threshold <= 0.95
    (tmp_path / "fresh.png").write_bytes(colored("green", 987_654))
    scores = Labeler(bundle).score(read_picture(tmp_path / "fresh.png"))
    assert bundle.labels[int(scores.argmax())] == "green"
    assert scores.max() > bundle.confidence_threshold


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_bare_model_carries_its_labels_in_each_runtime(pictures, base, tmp_path, runtime):
    train(pictures, "--base", base, "--out", tmp_path / "new")
    (tmp_path / "alone").mkdir()
    (tmp_path / "new" / "model.tflite").rename(tmp_path / "alone" / "anything.tflite")
    bundle = read_bundle(tmp_path / "alone" / "anything.tflite")
    assert bundle.labels == ("blue", "green", "red")
    assert Labeler(bundle, runtime=runtime).score(np.full((9, 9, 3), (40, 40, 200), np.uint8)).argmax() == 0


def test_same_seed_gives_the_same_bytes_with_and_without_cache(pictures, base, tmp_path, monkeypatch):
    for name in ("first", "cached", "elsewhere"):
        if name == "elsewhere":
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-cache"))
        assert train(pictures, "--base", base, "--out", tmp_path / name / "new", "--seed", 7) == 0
    first = read_files(tmp_path / "first" / "new")
    assert first == read_files(tmp_path / "cached" / "new") == read_files(tmp_path / "elsewhere" / "new")
    assert b"created" not in first["manifest.json"]


def test_source_date_is_in_the_manifest(pictures, base, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    train(pictures, "--base", base, "--out", tmp_path / "new")
    assert read_bundle(tmp_path / "new").created == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("epoch", ["999999999999", "99999999999999999", "9" * 30, "9" * 5000])
def test_invalid_source_date_is_reported_first(epoch, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert train(tmp_path / "nothing", "--base", tmp_path / "nothing.tflite", "--out", tmp_path / "new") == 1
    output = capsys.readouterr().err
    assert f"SOURCE_DATE_EPOCH is {epoch[:12]}" in output and output.count("\n") == 1 and len(output) < 200
    assert not (tmp_path / "new").exists()


def test_background_becomes_a_label_that_is_not_reported(pictures, base, tmp_path, capsys):
    other = write_pictures(tmp_path / "other", {"gray": 30, "yellow": 30})
    assert train(pictures, "--base", base, "--background", other, "--out", tmp_path / "new", "--json") == 0
    output = json.loads(capsys.readouterr().out)
    assert output["pictures"]["background"] == 60
    bundle = read_bundle(tmp_path / "new")
    assert bundle.labels == ("blue", "green", "red", "background")
    assert bundle.background_label == "background"
    (tmp_path / "gray.png").write_bytes(colored("gray", 123_456))
    assert main(["label", str(tmp_path / "gray.png"), "--model", str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["labels"] == []


def test_names_of_background_folders_do_not_matter(pictures, base, tmp_path, capsys):
    others = write_pictures(tmp_path / "others", {"gray": 30})
    (others / "gray").rename(others / "not one of them!")
    assert train(pictures, "--base", base, "--background", others, "--out", tmp_path / "new") == 0
    assert "not used" not in capsys.readouterr().err


def test_best_base_on_validation_is_chosen(tmp_path, pictures, capsys):
    seeing = write_base(tmp_path / "seeing.tflite")
    # With such a high mean, every picture is below zero: black.
    blind = write_base(tmp_path / "blind.tflite", "float32", metadata=metadata(mean=(1000.0,), std=(1.0,)))
    assert train(pictures, "--base", blind, "--base", seeing, "--out", tmp_path / "new", "--json") == 0
    output = json.loads(capsys.readouterr().out)
    assert output["base"] == str(seeing)
    assert [tried["base"] for tried in output["bases"]] == [str(blind), str(seeing)]
    assert output["bases"][0]["accuracy"] < output["bases"][1]["accuracy"] == output["accuracy"]


def make_candidate(accuracy: float, invoke_ms: float) -> TrainedCandidate:
    return TrainedCandidate(
        "base",
        accuracy,
        (),
        invoke_ms,
        0.1,
        choose_validation_threshold(np.full((1, 2), 0.9), np.zeros(1, int), None),
        b"",
        {},
        (),
        (),
        InputSpec(),
    )


def test_latency_counts_only_within_the_tolerance():
    best, near, far = make_candidate(0.93, 20), make_candidate(0.915, 5), make_candidate(0.85, 1)
    assert choose_candidate([far, near, best], "accuracy") is best
    assert choose_candidate([far, near, best], "latency") is near


def test_few_pictures_without_background_cause_a_warning(pictures, base, tmp_path, capsys):
    train(pictures, "--base", base, "--out", tmp_path / "new")
    assert "--background" in capsys.readouterr().err


def test_wrong_base_is_reported_before_pictures_are_read(pictures, tmp_path, capsys):
    (tmp_path / "base.tflite").write_bytes(b"no model")
    assert train(pictures, "--base", tmp_path / "base.tflite", "--out", tmp_path / "new") == 1
    assert "base.tflite cannot be used as a base" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_base_with_an_assumed_range_needs_a_stated_one(pictures, tmp_path, capsys):
    base = write_base(tmp_path / "float.tflite", "float32", metadata=None)
    assert train(pictures, "--base", base, "--out", tmp_path / "new") == 1
    assert "--input-range 0..255" in capsys.readouterr().err and not (tmp_path / "new").exists()
    assert (
        train(pictures, "--base", base, "--input-range", "0..255", "--resize", "crop", "--out", tmp_path / "new") == 0
    )
    bundle = read_bundle(tmp_path / "new")
    assert bundle.input.describe() == "0..255 (from the manifest), resize crop"
    assert Labeler(bundle).score(np.full((9, 30, 3), (40, 40, 200), np.uint8)).argmax() == 0


def test_budget_too_short_for_any_picture_is_reported(pictures, base, tmp_path, capsys):
    assert train(pictures, "--base", base, "--out", tmp_path / "new", "--budget", "0.001s") == 1
    assert "budget is too short: 120 pictures" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_background_does_not_count_for_the_accuracy(pictures, base, tmp_path, capsys):
    other = write_pictures(tmp_path / "other", {"gray": 200})
    blind = write_base(tmp_path / "blind.tflite", "float32", metadata=metadata(mean=(1000.0,), std=(1.0,)))
    assert train(pictures, "--base", blind, "--background", other, "--out", tmp_path / "new", "--json") == 0
    # It takes everything for background, which is right for most pictures; of the labels, it knows one of three.
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(1 / 3, abs=0.1)


def test_real_pictures_on_a_published_base(data, tmp_path, capsys):
    base = data / "models" / "mobilenet_v1_0.5_160_quant.tflite"
    assert train(data / "sign_digits" / "sign_digits_val.zip", "--base", base, "--out", tmp_path / "new", "--json") == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.75  # of ten labels, from 27 pictures each
    others = sorted(str(path) for path in (data / "images").iterdir())
    assert main(["label", *others, "--model", str(tmp_path / "new"), "--json"]) == 0
    labeled = [entry["picture"] for entry in json.loads(capsys.readouterr().out) if entry["labels"]]
    assert len(labeled) <= 1, labeled
