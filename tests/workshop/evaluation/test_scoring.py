"""Scores of pictures, aligned with their labels."""

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.evaluation.metrics import NO_SCORE
from appliance.workshop.evaluation.scoring import align_predictions, score_pictures
from support.evaluations import make_bundle, make_png, make_shades, write_pictures


def test_missing_and_repeated_labels_are_aligned(tmp_path):
    bundle = read_bundle(make_bundle(tmp_path / "model", labels="crane crane sky", backgroundLabel="sky"))
    scores = np.array([[0.2, 0.7, 0.1], [0.1, 0.2, 0.9], [np.nan, 0.3, np.inf]], np.float32)
    predictions = align_predictions(bundle, scores, ["crane", "sky", "owl"], {"sky"}, ["owl"])
    assert predictions.labels == ("crane", "owl")
    assert predictions.scores[:, 0].tolist() == pytest.approx([0.7, 0.2, 0.3])
    assert predictions.scores[:, 1].tolist() == [NO_SCORE] * 3
    assert predictions.targets.tolist() == [0, -1, 1]
    # The background label is no answer.
    assert predictions.best_labels.tolist() == [0, 0, 0]
    assert predictions.has_content.tolist() == [True, False, True]
    assert predictions.is_right.tolist() == [True, False, False]


def test_pictures_are_scored_in_order_without_unreadable_ones(tmp_path):
    folder = write_pictures(tmp_path / "some", {"red": make_shades("red", 5)})
    (folder / "red" / "002.png").write_bytes(make_png(0.9, 0, 0)[:40])
    done = []
    examples = open_dataset(folder).examples
    bundles = [read_bundle(make_bundle(tmp_path / "model")), read_bundle(make_bundle(tmp_path / "other"))]
    scored = score_pictures(bundles, examples, lambda count, total: done.append((count, total)))
    assert list(scored.unreadable) == [2] and "002.png" in scored.unreadable[2]
    assert scored.list_readable(1, 5) == [1, 3, 4]
    for table in scored.scores:
        assert table[:, 0].tolist() == pytest.approx([0.6, 0.6875, 0, 0.8625, 0.95], abs=0.01)
    assert done == [(count, 5) for count in range(1, 6)]
