"""Test the measurement of the CPU time per frame."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.diagnostics.bench import STAGES, measure
from support.paths import FLOWERS


def test_measurement_covers_every_stage():
    bundle = read_bundle(FLOWERS)
    result = measure(bundle, rounds=10)
    assert tuple(result.stages_ms) == STAGES
    assert result.model == bundle.identity
    assert result.ratio == pytest.approx(result.frame_ms / result.invoke_ms)
    assert min(result.frame_ms, result.invoke_ms, result.rss_mb) > 0
