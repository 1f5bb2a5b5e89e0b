"""Test `appliance label`: its output for each picture, its options, and its exit status."""

import json

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.cli import main
from support.evaluations import make_bundle, make_png


@pytest.fixture
def model(tmp_path):
    """Make a bundle whose scores are the amounts of red, green and blue in a picture."""
    return make_bundle(tmp_path / "model", name="paint", version="1.0", confidenceThreshold=0.5)


@pytest.fixture
def picture(tmp_path):
    (tmp_path / "picture.png").write_bytes(make_png(0.9, 0.6, 0.1))
    return tmp_path / "picture.png"


@pytest.fixture
def label(model, capsys):
    """Return a function that labels pictures with --json: (exit status, value, standard error)."""

    def run(*words):
        status = main(["label", *map(str, words), "--model", str(model), "--json"])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err

    return run


def list_labels(entry):
    return [found["label"] for found in entry["labels"]]


def test_json_shape_stays(label, model, picture):
    status, value, err = label(picture)
    assert (status, err) == (0, "")
    (entry,) = value
    assert set(entry) == {"picture", "model", "labels", "inference_ms"}
    assert entry["picture"] == str(picture)
    assert entry["model"] == read_bundle(model).identity.as_dict()
    assert [(found["label"], found["index"]) for found in entry["labels"]] == [("red", 0), ("green", 1)]
    assert entry["labels"][0]["score"] == pytest.approx(0.9, abs=0.01)
    assert entry["inference_ms"] >= 0


def test_text_has_scores_and_labels(model, picture, capsys):
    assert main(["label", str(picture), "--model", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(picture)
    assert [line.split()[1] for line in lines[1:]] == ["red", "green"]


def test_picture_without_a_label_names_the_best_one(model, picture, capsys):
    assert main(["label", str(picture), "--model", str(model), "--threshold", "0.95"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert all(fact in line for fact in ("red", "0.90", "0.95"))


def test_unreadable_picture_is_an_entry_among_labeled_ones(label, picture, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    status, value, _ = label(tmp_path / "gone.png", picture, tmp_path / "text.jpg")
    assert status == 1
    assert [("error" in entry, "labels" in entry) for entry in value] == [(True, False), (False, True), (True, False)]
    assert all(set(entry) == {"picture", "model", "error"} for entry in value if "error" in entry)
    assert "gone.png" in value[0]["error"]


def test_unreadable_picture_is_a_message_in_text(model, picture, tmp_path, capsys):
    assert main(["label", str(tmp_path / "gone.png"), str(picture), "--model", str(model)]) == 1
    out, err = capsys.readouterr()
    assert "red" in out
    assert err.startswith("appliance: ")
    assert "gone.png" in err


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (["--threshold", "0"], ["red", "green", "blue"]),
        (["--threshold", "0.7"], ["red"]),
        (["--max-results", "1"], ["red"]),
        (["--max-results", "-1"], ["red", "green"]),
        (["--allow", "green", "--allow", "blue"], ["green"]),
        (["--deny", "red"], ["green"]),
    ],
    ids=" ".join,
)
def test_options_select_labels(label, picture, options, labels):
    status, value, _ = label(picture, *options)
    assert status == 0
    assert list_labels(value[0]) == labels


def test_region_is_a_part_of_the_picture(label, tmp_path):
    import numpy as np
    from PIL import Image

    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = pixels[:, 20:, 2] = 255
    Image.fromarray(pixels).save(tmp_path / "halves.png")
    for region, expected in (("0,0,0.5,1", ["red"]), ("0.5,0,0.5,1", ["blue"])):
        assert list_labels(label(tmp_path / "halves.png", "--region", region)[1][0]) == expected


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (["--threshold", "1.1"], "--threshold"),
        (["--threshold", "nan"], "--threshold"),
        (["--max-results", "0"], "--max-results"),
        (["--max-results", "-2"], "--max-results"),
        (["--allow", "red", "--deny", "green"], "--deny"),
    ],
    ids=" ".join,
)
def test_wrong_option_is_wrong_usage(label, picture, options, option):
    status, value, err = label(picture, *options)
    assert (status, set(value)) == (2, {"error"})
    assert option in err and option in value["error"]


@pytest.mark.parametrize("region", ["0,0,1", "0,0,1,x", "0.5,0,0.6,1", "0,0,0,1", "-0.1,0,1,1", "nan,0,1,1", ""])
def test_wrong_region_is_wrong_usage(label, picture, region, capsys):
    with pytest.raises(SystemExit) as ended:
        label(picture, f"--region={region}")
    assert ended.value.code == 2
    assert "--region" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("option", ["--allow", "--deny"])
def test_unknown_label_names_near_ones(label, picture, option):
    status, value, err = label(picture, option, "gren")
    assert status != 0
    assert "'green'" in err and "'green'" in value["error"]


def test_device_model_is_the_default(picture, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    assert main(["label", str(picture), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["model"]["name"] == "general"


def test_picture_is_required(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["label"])
    assert ended.value.code == 2
    assert "PICTURE" in capsys.readouterr().err


def test_folder_stands_for_its_pictures(label, tmp_path):
    for name in ("b.png", "a.PNG", "sub/c.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).write_bytes(make_png(0.9, 0.6, 0.1))
    (tmp_path / "pictures" / "sub" / "loop").symlink_to(tmp_path / "pictures")
    status, value, _ = label(tmp_path / "pictures")
    assert status == 0
    names = [entry["picture"].removeprefix(f"{tmp_path}/pictures/") for entry in value]
    assert names == ["a.PNG", "b.png", "sub/c.jpg"]


def test_folder_without_pictures_is_an_error_of_its_own(label, picture, tmp_path):
    (tmp_path / "empty").mkdir()
    status, value, _ = label(tmp_path / "empty", picture)
    assert status == 1
    assert "contains no pictures" in value[0]["error"] and "labels" in value[1]


def test_fine_reports_the_classes_below_the_names(picture, capsys):
    words = ["label", str(picture), "--model", "bundled:general", "--threshold", "0", "--json"]
    assert main(words) == 0
    names = list_labels(json.loads(capsys.readouterr().out)[0])
    assert main([*words, "--fine"]) == 0
    classes = list_labels(json.loads(capsys.readouterr().out)[0])
    assert "cat" in names and "tabby" not in names
    assert len(classes) == 1000 and "tabby" in classes and "cat" not in classes


def test_fine_with_another_model_names_the_one_that_has_classes(model, picture, capsys):
    assert main(["label", str(picture), "--model", str(model), "--fine"]) == 1
    assert "bundled:general" in capsys.readouterr().err
