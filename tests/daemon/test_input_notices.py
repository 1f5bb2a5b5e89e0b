"""A model whose input range is assumed is tested and named once; other models are only described."""

import logging

import numpy as np

from appliance.bundle.bundle import read_bundle
from appliance.daemon.input_notices import InputNotices
from appliance.labeling.labeler import Labeler
from support.tiny_bundles import manifest_text
from support.tiny_models import write_tiny


class SameAnswers(Labeler):
    """A labeler that gives every picture nearly the same scores."""

    def score(self, pixels):
        return np.array([0.4, 0.3, 0.3], np.float32)


def test_assumed_range_is_logged_once(tmp_path, caplog):
    notices, bundle = InputNotices(), read_bundle(write_tiny(tmp_path / "colors"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            notices.note(Labeler(bundle))
    assert len(caplog.records) == 1 and "-1..1 is assumed" in caplog.text
    assert notices.describe(Labeler(bundle)) == "input -1..1 (assumed)"


def test_doubtful_range_is_described_with_the_reason(tmp_path, caplog):
    notices, labeler = InputNotices(), SameAnswers(read_bundle(write_tiny(tmp_path / "same")))
    notices.note(labeler)
    assert "answers the same to unlike pictures" in caplog.text
    assert "answers the same to unlike pictures" in notices.describe(labeler)


def test_stated_range_is_only_described(tmp_path, caplog):
    notices = InputNotices()
    labeler = SameAnswers(read_bundle(write_tiny(tmp_path / "stated", manifest=manifest_text(inputRange=[0, 1]))))
    notices.note(labeler)
    assert not caplog.records and notices.describe(labeler) == "input 0..1 (from the manifest)"
