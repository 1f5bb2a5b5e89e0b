"""Training on pictures with several labels: from an index to labels that a device reports independently."""

import io
import json

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.cli import main
from appliance.imaging.files import read_picture
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import EventSettings, LabelerSettings
from support.multi_label import LABELS, paint, write_index
from support.training import train, write_base, write_pictures


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle, the index that it was trained on, and what `train --json` printed."""
    folder = tmp_path_factory.mktemp("multi")
    index, base = write_index(folder / "set"), write_base(folder / "base.tflite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        assert train(index, "--base", base, "--out", folder / "new") == 0
    return folder, index, base


def score(bundle, colors, seed=900):
    return Labeler(bundle).score(read_picture(io.BytesIO(paint(colors, seed)), "p"))


def test_each_label_that_passes_its_own_threshold_is_reported(trained):
    folder, _, _ = trained
    bundle = read_bundle(folder / "new")
    manifest = json.loads((folder / "new" / "manifest.json").read_text())
    assert bundle.labels == LABELS and bundle.background_label is None
    assert set(manifest.get("labelThresholds", {})) <= set(LABELS) and 0.5 <= manifest["confidenceThreshold"] < 1
    chosen = LabelFilter(bundle, LabelerSettings())
    for colors in (("red",), ("blue", "red"), ("green", "red")):
        assert {label.label for label in chosen.select(score(bundle, colors))} == set(colors)
    assert score(bundle, ("blue", "red")).sum() > 1.2  # independent, no softmax


def test_settings_of_the_device_select_and_raise_labels(trained):
    bundle = read_bundle(trained[0] / "new")
    scores = score(bundle, ("blue", "red"))
    only = LabelFilter(bundle, LabelerSettings(allow=("red",)))
    assert [label.label for label in only.select(scores)] == ["red"]
    raised = LabelFilter(bundle, LabelerSettings(thresholds={"red": 1.0}))
    assert [label.label for label in raised.select(scores)] == ["blue"]
    assert len(LabelFilter(bundle, LabelerSettings(), threshold=0.0).select(scores)) == 3


def test_two_labels_of_one_frame_start_two_events(trained):
    from appliance.labeling.tracker import Tracker

    bundle = read_bundle(trained[0] / "new")
    ids = iter(range(100))
    tracker = Tracker(bundle.labels, EventSettings(start_frames=1), lambda: str(next(ids)))
    thresholds = LabelFilter(bundle, LabelerSettings()).thresholds
    events = tracker.update(score(bundle, ("blue", "red")), thresholds, 100.0, 1.0)
    assert {event.label for event in events if event.type == "started"} == {"blue", "red"}


def test_model_gives_the_scores_of_the_fitted_head_in_standard_operators(trained):
    import tflite

    content = (trained[0] / "new" / "model.tflite").read_bytes()
    model = tflite.Model.GetRootAsModel(content, 0)
    codes = [max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) for code in
             (model.OperatorCodes(index) for index in range(model.OperatorCodesLength()))]  # fmt: skip
    assert tflite.BuiltinOperator.LOGISTIC in codes
    assert not {tflite.BuiltinOperator.SOFTMAX, tflite.BuiltinOperator.CUSTOM} & set(codes)


def test_evaluation_measures_each_label(trained, capsys):
    folder, index, _ = trained
    scores = folder / "scores.csv"
    arguments = ["evaluate", folder / "new", index, "--split", "all", "--json"]
    arguments += ["--report", folder / "r", "--scores", scores]
    assert main([str(each) for each in arguments]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["confusion"] is None and values["pictures"] == 120
    for each in values["per_label"]:
        assert each["pictures"] == 60 and each["area_under_curve"] > 0.95
        assert each["recall"] > 0.6 and each["precision"] > 0.9
    rows = scores.read_text().splitlines()
    assert any(",blue|red," in row for row in rows)
    page = (folder / "r" / "index.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["several"] is True and sorted(data["pictures"][3][0]) == [0, 1]


def test_background_pictures_have_none_of_the_labels(trained, tmp_path, capsys):
    folder, index, base = trained
    background = write_pictures(tmp_path / "other", {"yellow": 30})
    assert train(index, "--base", base, "--background", background, "--out", tmp_path / "new", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["multi_label"] and values["labels"] == list(LABELS) and values["background_label"] is None
    assert values["pictures"]["background"] > 20
    yellow = score(read_bundle(tmp_path / "new"), ("yellow",))
    assert yellow.max() < score(read_bundle(folder / "new"), ("yellow",)).max() or yellow.max() < 0.5


def test_same_seed_gives_the_same_bytes(trained, tmp_path):
    folder, index, base = trained
    assert train(index, "--base", base, "--out", tmp_path / "new") == 0
    assert (tmp_path / "new" / "model.tflite").read_bytes() == (folder / "new" / "model.tflite").read_bytes()


def test_label_on_every_picture_is_refused(tmp_path, capsys):
    index = write_index(tmp_path / "set", 60)
    index.write_text("".join(f"{line},all\n" for line in index.read_text().splitlines()))
    base = write_base(tmp_path / "base.tflite")
    assert main(["dataset", "check", str(index)]) == 1
    assert train(index, "--base", base, "--out", tmp_path / "new") == 1
    assert "all on every picture for training" in capsys.readouterr().err


def test_scores_do_not_depend_on_the_order_of_rows(trained, tmp_path):
    folder, index, base = trained
    lines = index.read_text().splitlines()
    other = index.with_name("other.csv")
    other.write_text("\n".join(",".join([line.split(",")[0], *reversed(line.split(",")[1:])]) for line in lines))
    assert train(other, "--base", base, "--out", tmp_path / "new") == 0
    one, two = (score(read_bundle(path), ("blue", "red")) for path in (folder / "new", tmp_path / "new"))
    assert np.allclose(one, two, atol=1e-4)
