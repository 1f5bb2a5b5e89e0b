"""The choice of layers: what the validation pictures need, at the lowest cost."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from appliance.workshop.training.head_input import fit_head_input
from appliance.workshop.training.stage_choice import choose_default, choose_groups, list_options
from appliance.workshop.training.stages import FeatureGroup
from support.staged_base import write_staged_base
from support.training import train

GROUPS = (
    FeatureGroup(0, 0, 8, "pooled", 0, 1),
    FeatureGroup(1, 8, 32, "last in quarters", 1, 2),
    FeatureGroup(2, 40, 8, "last", 1, 1),
    FeatureGroup(3, 48, 32, "earlier in quarters", 2, 2),
    FeatureGroup(4, 80, 8, "earlier", 2, 1),
)


def name(groups):
    return [group.layer for group in groups]


def test_options_are_each_number_of_stages_in_each_grid():
    assert [name(option)[1:] for option in list_options(GROUPS)] == [
        [],
        ["last in quarters"],
        ["last in quarters", "earlier in quarters"],
        ["last"],
        ["last", "earlier"],
    ]
    assert name(choose_default(GROUPS)) == ["pooled", "last in quarters", "earlier in quarters"]
    assert list_options(GROUPS[:1]) == [GROUPS[:1]]
    assert choose_default(GROUPS[:1]) == GROUPS[:1]


@pytest.mark.parametrize(
    ("informative", "expected"),
    [
        (slice(0, 8), ["pooled"]),
        (slice(8, 40), ["pooled", "last in quarters"]),
        (slice(40, 48), ["pooled", "last"]),
        (slice(48, 80), ["pooled", "last in quarters", "earlier in quarters"]),
        (slice(80, 88), ["pooled", "last", "earlier"]),
    ],
)
def test_layers_that_tell_labels_apart_are_chosen(informative, expected):
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 700)
    features = random.normal(9, 1, (700, 88))
    features[:, informative] += random.normal(0, 1, (3, informative.stop - informative.start))[y]
    membership = y[:, np.newaxis] == np.arange(3)
    whole = fit_head_input(GROUPS, features[:400])
    chosen = choose_groups(whole, (features[:400], membership[:400]), (features[400:], membership[400:]))
    assert name(chosen) == expected


def test_quarters_are_preferred_to_equal_whole_means():
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 700)
    features = random.normal(9, 1, (700, 88))
    signal = random.normal(0, 3, (3, 8))[y]
    features[:, 8:40] += np.repeat(signal, 4, axis=1)
    features[:, 40:48] += signal
    membership = y[:, np.newaxis] == np.arange(3)
    chosen = choose_groups(
        fit_head_input(GROUPS, features[:400]), (features[:400], membership[:400]), (features[400:], membership[400:])
    )
    assert name(chosen) == ["pooled", "last in quarters"]


def write_sides(folder: Path) -> Path:
    """Write pictures whose label is the brighter side; the mean of each is the same."""
    random = np.random.default_rng(0)
    for label in ("left", "right"):
        (folder / label).mkdir(parents=True)
        for index in range(30):
            pixels = random.integers(60, 120, (40, 40, 3), np.uint8)
            pixels[:, :20] += 60 if label == "left" else 0
            pixels[:, 20:] += 60 if label == "right" else 0
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "PNG")
            (folder / label / f"{index}.png").write_bytes(out.getvalue())
    return folder


def test_labels_that_differ_only_in_place_are_learned(tmp_path, capsys):
    pictures, base = write_sides(tmp_path / "sides"), write_staged_base(tmp_path / "base.tflite")
    assert train(pictures, "--base", base, "--out", tmp_path / "new", "--json") == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1
