"""The classes below the names stay reachable, wherever the bundle is installed."""

from pathlib import Path

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.errors import BundleError
from appliance.labeling.labeler import Labeler
from appliance.workshop.models.general.fine_classes import read_fine_bundle

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)


def test_names_are_the_sums_of_the_classes(tmp_path):
    general = read_bundle(Path("bundled:general"))
    write_bundle(general, tmp_path / "installed")
    fine = read_fine_bundle(read_bundle(tmp_path / "installed"), tmp_path / "fine")
    assert len(fine.labels) == 1000 and fine.background_label is None
    scores, names = Labeler(fine).score(PICTURE), Labeler(general).score(PICTURE)
    cats = [scores[fine.labels.index(label)] for label in ("tabby", "tiger cat", "Persian cat", "Siamese cat")]
    cats.append(scores[fine.labels.index("Egyptian cat")])
    assert names[general.labels.index("cat")] == pytest.approx(sum(cats), abs=1 / 256)
    assert scores.sum() == pytest.approx(1, abs=1e-3)


def test_other_model_has_none(tmp_path):
    with pytest.raises(BundleError, match="bundled:general"):
        read_fine_bundle(read_bundle(Path("bundled:flowers")), tmp_path / "fine")
