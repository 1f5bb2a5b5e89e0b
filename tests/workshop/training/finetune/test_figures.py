"""What fine-tuning has reached is a sentence."""

import pytest

from appliance.workshop.training.finetune.figures import TuningFigures


@pytest.mark.parametrize(("passes", "words"), [(1, "each picture once"), (6, "each picture 6 times")])
def test_figures_are_a_sentence(passes, words):
    sentence = TuningFigures(passes, 0.98745, 0.981).describe()
    assert words in sentence and sentence.endswith(
        "98.7 % of the validation pictures right in float32, and 98.1 % in int8"
    )


def test_figures_are_rounded_in_json():
    assert TuningFigures(3, 2 / 3, 0.5).as_dict() == {"passes": 3, "float_accuracy": 0.666667, "int8_accuracy": 0.5}
