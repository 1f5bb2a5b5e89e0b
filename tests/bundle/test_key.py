"""The key of a bundle's contents."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.key import bundle_key
from support import made_models
from support.bundles import bundle_folder
from support.tiny_bundles import tiny_entries, write_entries
from support.tiny_models import write_tiny

BUNDLE = Bundle(Path("a"), Path("a/model.tflite"), ("red", "green"), ModelIdentity("colors", "1.0", "ab" * 32))


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("green", "red")},
        {"identity": ModelIdentity("colors", "1.1", "ab" * 32)},
        {"identity": ModelIdentity("other", "1.0", "ab" * 32)},
        {"identity": ModelIdentity("colors", "1.0", "cd" * 32)},
        {"confidence_threshold": 0.4},
        {"label_thresholds": {"red": 0.4}},
        {"background_label": "red"},
    ],
)
def test_key_changes_with_everything_that_affects_labeling(change):
    assert bundle_key(dataclasses.replace(BUNDLE, **change)) != bundle_key(BUNDLE)


def test_key_of_a_release_stays():
    # Names the folders of installed models on disk.
    assert bundle_key(BUNDLE) == "0601e5a0445dbb3dc809df9368d9a98e3f03469256a5e63a55b7502adf10bb91"


def test_folder_and_zip_have_the_same_key(tmp_path):
    write_entries(tmp_path / "colors.zip", tiny_entries())
    assert bundle_key(read_bundle(tmp_path / "colors.zip")) == bundle_key(read_bundle(write_tiny(tmp_path / "colors")))


def test_bundles_that_label_differently_have_different_keys(tmp_path):
    count = iter(range(100))

    def make(version="1.0", **more):
        return read_bundle(bundle_folder(tmp_path / f"made/{next(count)}", version=version, **more))

    keys = [
        bundle_key(make()),
        bundle_key(make("1.1")),
        bundle_key(make(name="other")),
        bundle_key(make(labels=("a", "b", "c"))),
        bundle_key(make(model=made_models.good(2))),
        bundle_key(make(confidenceThreshold=0.4)),
        bundle_key(make(labelThresholds={"red": 0.4})),
        bundle_key(make(backgroundLabel="red")),
    ]
    assert len(set(keys)) == len(keys)
    shutil.make_archive(str(tmp_path / "zipped"), "zip", make().source)
    assert bundle_key(read_bundle(tmp_path / "zipped.zip")) == keys[0], "a zip of the same is the same"
