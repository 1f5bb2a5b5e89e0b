"""Thresholds are written into bundles of each form, and a failed edit changes nothing."""

import json
import os
import stat
import zipfile

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.edit import write_thresholds
from appliance.errors import BundleError
from support.tiny_bundles import manifest_text, tiny_entries, write_entries
from support.tiny_models import tiny_model, write_tiny


def read_entries(file):
    with zipfile.ZipFile(file) as archive:
        return {
            entry.filename: (entry.date_time, entry.compress_type, archive.read(entry)) for entry in archive.infolist()
        }


def test_thresholds_are_written_into_a_folder(tmp_path):
    folder = write_tiny(tmp_path / "colors", manifest=manifest_text(name="paint", foreign={"key": [1]}))
    (folder / "manifest.json").chmod(0o604)
    bundle = write_thresholds(folder, 0.62, {"red": 0.7})
    assert (bundle.confidence_threshold, bundle.label_thresholds) == (0.62, {"red": 0.7})
    values = json.loads((folder / "manifest.json").read_bytes())
    assert values == json.loads(manifest_text(name="paint", foreign={"key": [1]})) | {
        "confidenceThreshold": 0.62,
        "labelThresholds": {"red": 0.7},
    }
    assert stat.S_IMODE((folder / "manifest.json").stat().st_mode) == 0o604
    assert sorted(path.name for path in folder.iterdir()) == ["dict.txt", "manifest.json", "model.tflite"]


def test_no_threshold_keeps_the_bundles_own(tmp_path):
    folder = write_tiny(
        tmp_path / "colors", manifest=manifest_text(confidenceThreshold=0.3, labelThresholds={"red": 1})
    )
    bundle = write_thresholds(folder, None, {})
    assert (bundle.confidence_threshold, dict(bundle.label_thresholds)) == (0.3, {})
    assert "labelThresholds" not in json.loads((folder / "manifest.json").read_bytes())


@pytest.mark.parametrize("prefix", ["", "inner/"])
def test_thresholds_are_written_into_a_zip(tmp_path, prefix):
    file = tmp_path / "colors.zip"
    write_entries(file, [*tiny_entries(prefix), (f"{prefix}notes.bin", bytes(9))])
    file.chmod(0o640)
    before = read_entries(file)
    assert write_thresholds(file, 0.62, {}).source == file
    assert read_bundle(file).confidence_threshold == 0.62
    after = read_entries(file)
    assert list(after) == list(before)
    assert {name for name in after if after[name] != before[name]} == {f"{prefix}manifest.json"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change owners")
def test_zip_keeps_its_owner_in_another_users_folder(open_folder):
    file = open_folder / "colors.zip"
    write_entries(file, tiny_entries())
    os.chown(open_folder, 1001, 1001)
    os.chown(file, 1002, 1003)
    write_thresholds(file, 0.62, {})
    assert (file.stat().st_uid, file.stat().st_gid) == (1002, 1003)


def test_zip_without_a_manifest_gets_one(tmp_path):
    file = tmp_path / "colors.zip"
    write_entries(file, [entry for entry in tiny_entries("inner/") if entry[0] != "inner/manifest.json"])
    assert write_thresholds(file, 0.3, {}).confidence_threshold == 0.3
    entries = read_entries(file)
    assert list(entries) == ["inner/model.tflite", "inner/dict.txt", "inner/manifest.json"]
    assert entries["inner/manifest.json"][0] == entries["inner/model.tflite"][0]


def test_link_to_a_zip_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    write_entries(tmp_path / "real" / "colors.zip", tiny_entries())
    (tmp_path / "colors.zip").symlink_to("real/colors.zip")
    write_thresholds(tmp_path / "colors.zip", 0.3, {})
    assert (tmp_path / "colors.zip").is_symlink()
    assert read_bundle(tmp_path / "real" / "colors.zip").confidence_threshold == 0.3


def test_bare_model_without_a_manifest_is_rejected(tmp_path):
    (tmp_path / "bare.tflite").write_bytes(tiny_model())
    (tmp_path / "bare.txt").write_text("red\ngreen\nblue\n")
    with pytest.raises(BundleError, match="without a manifest"):
        write_thresholds(tmp_path / "bare.tflite", 0.3, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.tflite", "bare.txt"]


def test_unknown_label_is_rejected(tmp_path):
    folder = write_tiny(tmp_path / "colors")
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match="no label 'gren'.*'green'"):
        write_thresholds(folder, None, {"gren": 0.3})
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("with_manifest", [True, False])
def test_edit_that_reads_back_differently_is_undone(tmp_path, with_manifest):
    folder = write_tiny(tmp_path / "colors")
    if not with_manifest:
        (folder / "manifest.json").unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BundleError, match="must be from 0 to 1"):
        write_thresholds(folder, 1.5, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    file = tmp_path / "colors.zip"
    write_entries(file, tiny_entries())
    before_zip = file.read_bytes()
    with pytest.raises(BundleError, match="must be from 0 to 1"):
        write_thresholds(file, 1.5, {})
    assert file.read_bytes() == before_zip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colors", "colors.zip"]
