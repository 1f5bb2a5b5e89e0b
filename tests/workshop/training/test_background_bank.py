"""The background bank: it fits one base, and leaves out what resembles the user's pictures."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import TrainingError
from appliance.workshop.training.background_bank import (
    BackgroundBank,
    find_unlike,
    load_bank,
    read_bank,
    sample_labels,
    write_bank,
)
from appliance.workshop.training.base import Base, open_base


@pytest.fixture
def bank(opened_base: Base) -> BackgroundBank:
    features = np.random.default_rng(0).uniform(0, 6, (20, opened_base.size)).astype(np.float32)
    return BackgroundBank(features, np.arange(20) // 10, np.arange(20) // 5, ("a", "b"), ("w", "x", "y", "z"))


def test_shipped_bank_fits_the_general_labeler_in_three_megabytes():
    base = open_base(Path("bundled:general"))
    bank = load_bank(base)
    assert bank is not None, "the base has changed; run scripts/make-general background"
    assert bank.features.shape[1] == base.size
    assert len(bank) >= 800
    assert (Path(base_folder()) / "background.npz").stat().st_size <= 3_000_000
    assert "CC-BY 2.0" in (Path(base_folder()) / "BACKGROUND.md").read_text("utf-8")


def base_folder() -> Path:
    import appliance.bundled

    return Path(appliance.bundled.__file__).parent / "general"


def test_written_bank_reads_back(bank, opened_base, tmp_path):
    write_bank(tmp_path / "bank.npz", bank, opened_base)
    read = read_bank(tmp_path / "bank.npz", opened_base)
    np.testing.assert_allclose(read.features, bank.features, atol=0.02)
    assert (read.source_names, read.kind_names) == (bank.source_names, bank.kind_names)


def test_bank_of_another_base_is_not_used(bank, opened_base, tmp_path):
    write_bank(tmp_path / "bank.npz", bank, opened_base)
    assert read_bank(tmp_path / "bank.npz", dataclasses.replace(opened_base, sha256="0" * 64)) is None
    assert load_bank(opened_base) is None


def test_damaged_bank_is_an_error_with_a_remedy(opened_base, tmp_path):
    (tmp_path / "bank.npz").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(TrainingError, match="install the program again"):
        read_bank(tmp_path / "bank.npz", opened_base)


def test_bank_without_a_source_has_none_of_its_rows(bank):
    assert set(bank.without("a").sources.tolist()) == {1}


def test_kinds_that_resemble_the_users_pictures_are_left_out():
    random = np.random.default_rng(1)
    mine, other = random.normal(size=30) * 4, random.normal(size=30) * 4
    pictures = mine + random.normal(size=(60, 30))
    rows = np.vstack([mine + random.normal(size=(10, 30)), other + random.normal(size=(10, 30))])
    unlike = find_unlike(pictures, np.zeros(60, int), np.arange(60), rows, np.repeat([0, 1], 10))
    assert not unlike[:10].any()
    assert unlike[10:].all()


def test_pictures_of_one_recording_do_not_hide_the_resemblance():
    random = np.random.default_rng(1)
    mine, other = random.normal(size=30) * 4, random.normal(size=30) * 4
    # Each recording has ten nearly equal pictures, so every picture has a very near neighbor.
    pictures = np.repeat(mine + random.normal(size=(6, 30)), 10, axis=0) + random.normal(0, 0.01, (60, 30))
    rows = np.vstack([mine + random.normal(size=(10, 30)), other + random.normal(size=(10, 30))])
    unlike = find_unlike(pictures, np.zeros(60, int), np.arange(60) // 10, rows, np.repeat([0, 1], 10))
    assert not unlike[:10].any()
    assert unlike[10:].all()


def test_kinds_that_resemble_a_rare_label_are_left_out():
    random = np.random.default_rng(1)
    frequent, rare, other = random.normal(size=(3, 30)) * 3
    # The few pictures of the rare label are less alike than the many of the frequent one.
    pictures = np.vstack([frequent + random.normal(0, 0.5, (200, 30)), rare + random.normal(0, 2.5, (12, 30))])
    rows = np.vstack([rare + random.normal(0, 2.5, (20, 30)), other + random.normal(0, 1, (20, 30))])
    targets = np.append(np.zeros(200, int), np.ones(12, int))
    unlike = find_unlike(pictures, targets, np.arange(212), rows, np.repeat([0, 1], 20))
    assert not unlike[:20].any()
    assert unlike[20:].all()


def test_sample_has_all_pictures_of_rare_labels():
    targets = np.repeat([0, 1, 2], [5000, 20, 3000])
    counts = np.bincount(targets[sample_labels(targets, 900)])
    assert counts.tolist() == [300, 20, 300]
