"""Time and memory of labelers, measured."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError
from appliance.labeling.labeler import Labeler
from appliance.workshop.models.measurements import measure_invoke_ms, measure_resident_mb
from appliance.workshop.models.paths import BUNDLE
from support.tiny_models import write_tiny


def test_larger_model_takes_longer_in_either_place(tmp_path):
    small, large = Labeler(read_bundle(write_tiny(tmp_path / "tiny"))), Labeler(read_bundle(BUNDLE))
    for first, second in ((small, large), (large, small)):
        first_ms, second_ms = measure_invoke_ms(first, second, blocks=2, rounds=5)
        assert min(first_ms, second_ms) > 0
        assert (first_ms < second_ms) == (first is small)


def test_model_compared_with_itself_needs_no_second_one():
    labeler = Labeler(read_bundle(BUNDLE))
    assert all(median_ms > 0 for median_ms in measure_invoke_ms(labeler, labeler, blocks=1, rounds=1))


def test_memory_is_that_of_another_process(tmp_path):
    # An interpreter with numpy and a runtime, and far less than a test run with all its imports.
    assert 15 < measure_resident_mb(write_tiny(tmp_path / "tiny")) < 400


def test_error_of_the_other_process_arrives(tmp_path):
    with pytest.raises(BundleError, match="missing"):
        measure_resident_mb(tmp_path / "missing")
