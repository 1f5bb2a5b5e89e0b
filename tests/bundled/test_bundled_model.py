"""The bundled model: whole, small, plain, right about flowers, and silent about most of what is none."""

import hashlib
import importlib.util
import json
import zipfile
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

import appliance.bundled
from appliance.bundle.bundle import read_bundle
from appliance.camera.scene.camera import SceneCamera, draw_scene, generate_appearances
from appliance.camera.scene.flowers import LABELS
from appliance.imaging.files import read_picture
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.tracker import Tracker
from appliance.settings.schema import CameraSettings, EventSettings, LabelerSettings
from appliance.workshop.training import tflite_schema as schema

FOLDER = Path(appliance.bundled.__file__).parent / "flowers"
FPS = 5.0
# Smaller than the default, because drawing takes most of the time.
SIZE_PX = (320, 240)
RUNTIMES = ["litert"] + (["tflite-runtime"] if importlib.util.find_spec("tflite_runtime") else [])


@pytest.fixture(scope="module")
def bundle():
    return read_bundle(FOLDER)


@pytest.fixture(scope="module", params=RUNTIMES)
def labeler(bundle, request):
    return Labeler(bundle, runtime=request.param)


@pytest.fixture(scope="module")
def labels(bundle):
    return LabelFilter(bundle, LabelerSettings())


def named(labeler, labels, pixels) -> list[str]:
    return [label.label for label in labels.select(labeler.score(pixels))]


def test_bundle_has_its_identity(bundle):
    assert bundle.labels == (*LABELS, "None_of_the_above")
    assert bundle.background_label == "None_of_the_above"
    assert bundle.identity.name == "flowers"
    assert bundle.version
    assert 0 < bundle.confidence_threshold < 1


def test_hashes_match_the_files():
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    assert set(manifest["sha256"]) == {"model.tflite", "dict.txt"}
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


def test_model_is_small(bundle):
    assert bundle.model_file.stat().st_size < 1_300_000


def test_old_runtimes_support_its_operators(bundle):
    """Standard operators in versions of 2020 and before, and named in the field that old readers look at."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bundle.model_file.read_bytes()))
    assert all(code.version <= 3 and not code.customCode for code in model.operatorCodes)
    assert all(code.builtinCode == code.deprecatedBuiltinCode for code in model.operatorCodes)


def test_model_file_contains_the_labels(bundle):
    with zipfile.ZipFile(bundle.model_file) as archive:
        assert tuple(archive.read("labels.txt").decode().split()) == bundle.labels


def test_weights_are_aligned(bundle):
    """Kernels on Arm read weights 16 bytes at a time; the format asks for that alignment."""
    data = bundle.model_file.read_bytes()
    model = schema.Model.GetRootAs(data)
    filled = [model.Buffers(index) for index in range(model.BuffersLength()) if model.Buffers(index).DataLength()]
    starts = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in filled]
    assert len(starts) >= 10
    assert all(start % 16 == 0 for start in starts)


def test_model_card_has_the_limits():
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Not intended for" in card
    assert "scripts/train-bundled evaluate" in card
    assert "CC-BY 2.0" in card


def test_authors_of_the_photographs_are_listed():
    """Their licence asks for it."""
    assert len((FOLDER / "AUTHORS.txt").read_text(encoding="utf-8").splitlines()) > 1000


SAMPLES = {
    "daisy.jpeg": "daisy",
    "dandelion.jpg": "dandelion",
    "roses.jpeg": "roses",
    "sunflower.jpg": "sunflowers",
    "tulips.jpeg": "tulips",
}


def test_flowers_in_photographs_are_labeled(labeler, labels, data):
    said = {name: named(labeler, labels, read_picture(data / "images" / f"mlkit_{name}")) for name in SAMPLES}
    assert said == {name: [label] for name, label in SAMPLES.items()}


def test_other_subjects_are_not_labeled(labeler, labels, data):
    """Burgers, cats, birds, faces: at most two of the 18 are taken for a flower (which ones, its card says)."""
    others = [
        file
        for file in sorted((data / "images").iterdir())
        if "mlkit" not in file.name and "sunflower" not in file.name
    ]
    assert len(others) == 18
    labeled = {file.name: found for file in others if (found := named(labeler, labels, read_picture(file)))}
    assert len(labeled) <= 2, labeled


def test_new_drawn_flowers_are_labeled(labeler, labels):
    """95 % of all, and no label may fall far behind."""
    rng = np.random.default_rng(4000)
    right = {
        label: [named(labeler, labels, draw_scene(label, rng, SIZE_PX)) == [label] for _ in range(30)]
        for label in LABELS
    }
    assert np.mean(list(right.values())) >= 0.95, right
    assert min(np.mean(found) for found in right.values()) >= 0.8, right


def test_scene_without_flowers_is_not_labeled(labeler, labels):
    rng = np.random.default_rng(4001)
    quiet = [not named(labeler, labels, draw_scene(None, rng, SIZE_PX)) for _ in range(60)]
    assert np.mean(quiet) >= 0.98


def test_covered_or_broken_camera_is_not_labeled(labeler, labels):
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    bars = np.array([[255 * (code >> bit & 1) for bit in (1, 2, 0)] for code in range(7, -1, -1)], np.uint8)
    frames = {f"gray {gray}": np.full((480, 640, 3), gray, np.uint8) for gray in (0, 64, 128, 192, 255)}
    frames |= {
        "noise": noise,
        "faint noise": noise // 4,
        "color bars": np.repeat(np.repeat(bars[None], 480, 0), 80, 1),
    }
    assert {name: found for name, pixels in frames.items() if (found := named(labeler, labels, pixels))} == {}


def test_scene_camera_gives_exactly_its_events(labeler, labels):
    """The demo's promise: each flower one event, in the order shown, and none from what passes in between."""
    camera, numbers = SceneCamera(CameraSettings(source="scene", fps=FPS), seed=1), count()
    shown = [entry for entry in islice(generate_appearances(1), 20) if entry.label][:6]
    tracker = Tracker(labeler.labels, EventSettings(), lambda: str(next(numbers)))
    events = []
    for frame in range(round((shown[-1].ends_s + 2.8) * FPS)):
        scores = labels.mask(labeler.score(camera.read()))
        events += tracker.update(scores, labels.thresholds, frame / FPS, frame / FPS)
    assert [event.label for event in events if event.type == "started"] == [entry.label for entry in shown]
    for entry, started in zip(shown, (event for event in events if event.type == "started"), strict=True):
        assert entry.begins_s < started.started <= entry.arrived_s + 1
    ended = [event for event in events if event.type == "ended"]
    assert [event.label for event in ended] == [entry.label for entry in shown]
    for entry, event in zip(shown, ended, strict=True):
        assert entry.leaves_s - 0.5 <= event.ended <= entry.ends_s
