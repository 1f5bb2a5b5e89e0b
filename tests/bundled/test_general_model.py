"""The general labeler: whole, small, right about everyday things, silent about people, usable as a base."""

import hashlib
import importlib.util
import json
import zipfile
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.imaging.files import read_picture
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import LabelerSettings
from appliance.system.shipped import find_shipped
from appliance.workshop.models.general.names import read_plan
from appliance.workshop.training.base import open_base

FOLDER = find_shipped("general")
RUNTIMES = ["litert"] + (["tflite-runtime"] if importlib.util.find_spec("tflite_runtime") else [])


@pytest.fixture(scope="module")
def bundle():
    return read_bundle(FOLDER)


@pytest.fixture(scope="module", params=RUNTIMES)
def labeler(bundle, request):
    return Labeler(bundle, runtime=request.param)


def test_bundle_has_its_identity(bundle):
    assert bundle.identity.name == "general" and bundle.version
    assert bundle.labels == read_plan().labels
    assert bundle.background_label == bundle.labels[-1]


def test_file_is_small(bundle):
    assert bundle.model_file.stat().st_size <= 5_500_000


def test_hashes_match_the_files():
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    for name in ("model.tflite", "dict.txt"):
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == manifest["sha256"][name]


def test_model_file_contains_names_and_classes(bundle):
    with zipfile.ZipFile(bundle.model_file) as archive:
        assert tuple(archive.read("labels.txt").decode().splitlines()) == bundle.labels
        assert len(archive.read("classes.txt").decode().splitlines()) == 1000


def test_fast_kernels_compute_it(labeler):
    assert labeler.kernels == "XNNPACK"


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ("cat.bmp", "cat"),
        ("bird.bmp", "bird"),
        ("parrot.jpg", "bird"),
        ("burger.jpg", "hamburger"),
        ("hot_dog.jpg", "hot dog"),
        ("mlkit_daisy.jpeg", "flower"),
        ("pets.jpg", "dog"),
        # It knows no people.
        ("grace_hopper.bmp", None),
        ("face.jpg", None),
    ],
)
def test_everyday_thing_gets_its_name(labeler, picture, expected, data):
    scores = labeler.score(read_picture(data / "images" / picture))
    labels = LabelFilter(labeler.bundle, LabelerSettings()).select(scores)
    assert [label.label for label in labels] == ([expected] if expected else [])


def test_base_has_its_features():
    base = open_base(Path("bundled:general"))
    assert base.groups[0].size == 1280
    assert not base.input.is_assumed


def test_card_states_that_it_knows_no_people():
    assert "It knows no people" in (FOLDER / "MODEL_CARD.md").read_text()
