"""A model with an assumed range that answers the same to unlike pictures is doubted; no other model is."""

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.labeling.input_check import (
    MIN_SPREAD,
    describe_assumption,
    draw_unlike_pictures,
    find_input_doubt,
    list_range_commands,
    measure_spread,
)
from appliance.labeling.labeler import Labeler
from support.paths import SHARED
from support.tiny_bundles import manifest_text
from support.tiny_models import tiny_model, write_tiny


def test_drawings_are_unlike_and_always_the_same():
    pictures = draw_unlike_pictures()
    assert len(pictures) == 12 and all(picture.shape == (224, 224, 3) for picture in pictures)
    small = [picture[::8, ::8].astype(int) for picture in pictures]
    assert all(np.abs(a - b).mean() > 5 for index, a in enumerate(small) for b in small[:index])
    assert all(map(np.array_equal, pictures, draw_unlike_pictures()))


def test_same_answers_to_all_pictures_are_doubted(tmp_path):
    # A scale that makes the means almost equal after softmax, as a range that is far too small does.
    class SameAnswers(Labeler):
        def score(self, pixels):
            return np.array([0.4, 0.3, 0.3], np.float32) + pixels.mean() / 255 * 0.01

    assert "range may be another" in find_input_doubt(SameAnswers(read_bundle(write_tiny(tmp_path / "same"))))


def test_model_that_tells_pictures_apart_is_not_doubted(tmp_path):
    assert find_input_doubt(Labeler(read_bundle(write_tiny(tmp_path / "tiny")))) is None


@pytest.mark.parametrize("model", [tiny_model("uint8"), tiny_model("int8")])
def test_stated_range_is_never_doubted(tmp_path, model, monkeypatch):
    labeler = Labeler(read_bundle(write_tiny(tmp_path / "tiny", model)))
    monkeypatch.setattr(labeler, "score", lambda pixels: pytest.fail("a stated range needs no test"))
    assert find_input_doubt(labeler) is None


def test_range_of_the_manifest_is_never_doubted(tmp_path):
    folder = write_tiny(tmp_path / "tiny", manifest=manifest_text(inputRange=[0, 0.001]))
    assert find_input_doubt(Labeler(read_bundle(folder))) is None


def test_spread_is_the_largest_difference_of_one_label():
    answers = iter([np.array([0.1, 0.9]), *[np.array([0.2, 0.8])] * 10, np.array([0.5, 0.5])])
    assert measure_spread(lambda _: next(answers)) == pytest.approx(0.4)


def test_commands_name_the_bundle_and_every_range():
    commands = list_range_commands("my model")
    assert commands[0].startswith("appliance model try") and all("'my model'" in command for command in commands)
    assert [command.split()[-1] for command in commands[1:]] == ["0..255", "0..1", "-1..1"]
    assert "-1..1 is assumed" in describe_assumption("m")


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="needs ../shared/data")
def test_published_models_tell_the_drawings_apart():
    for file in sorted((SHARED / "data" / "models").glob("mobilenet_v?_*_quant.tflite")):
        assert measure_spread(Labeler(read_bundle(file)).score) > 5 * MIN_SPREAD, file.name
