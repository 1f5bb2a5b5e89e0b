"""Heads written behind published and made bases give the scores of the fitted head."""

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.imaging.files import read_picture
from appliance.labeling.labeler import Labeler
from appliance.workshop.training.base import open_base
from appliance.workshop.training.tflite_head import write_model
from support.heads import LABELS, features_of, full_input, random_head
from support.tiny_models import RUNTIMES, metadata
from support.training import write_base

PUBLISHED = [
    "automl_mlkit_android",
    "mlkit_object_labeler.tflite",
    "mobilenet_v1_0.25_128_quant.tflite",
    "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite",
    "mobilenet_v2_1.0_224_inat_bird_quant.tflite",
    "tf2_mobilenet_v2_1.0_224_ptq.tflite",
    "tfls_mobilenet_v1_0.25_224_1_metadata_1.tflite",
    "tfls_mobilenet_v2_1.0_224_quant.tflite",
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_model_gives_the_scores_of_its_new_head(data, tmp_path, name):
    base = open_base(data / "models" / name)
    pictures = [read_picture(data / "images" / picture) for picture in ("burger.jpg", "cat.bmp", "mlkit_daisy.jpeg")]
    head_input = full_input(base)
    x = head_input.convert(features_of(base, pictures))
    head = random_head(x)
    (tmp_path / "new.tflite").write_bytes(write_model(base, head_input, head, "new"))

    labeler = Labeler(read_bundle(tmp_path / "new.tflite"))

    assert labeler.labels == LABELS
    given = np.stack([labeler.score(picture) for picture in pictures])
    np.testing.assert_allclose(given, head.score(x), atol=1e-5)
    assert (given.sum(axis=1) < 0.99).any()  # the gate lowers the scores, which are not normalized again


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("gate", [True, False])
def test_each_input_type_gives_the_heads_scores(tmp_path, dtype, runtime, gate):
    base = open_base(write_base(tmp_path / "base.tflite", dtype))
    pictures = [np.full((20, 20, 3), color, np.uint8) for color in ([200, 30, 30], [30, 200, 30], [9, 9, 9])]
    head_input = full_input(base)
    x = head_input.convert(features_of(base, pictures))
    head = random_head(x, gate)
    (tmp_path / "new.tflite").write_bytes(write_model(base, head_input, head, "new"))

    labeler = Labeler(read_bundle(tmp_path / "new.tflite"), runtime=runtime)

    given = np.stack([labeler.score(picture) for picture in pictures])
    np.testing.assert_allclose(given, head.score(x), atol=1e-5)


def test_normalization_of_a_float_base_is_kept(tmp_path):
    facts = metadata(mean=(100.0,), std=(50.0,))
    base = open_base(write_base(tmp_path / "base.tflite", "float32", metadata=facts))
    picture = np.full((20, 20, 3), 150, np.uint8)
    features = features_of(base, [picture])
    np.testing.assert_allclose(features, 1.0, atol=1e-5)
    head_input = full_input(base)
    x = head_input.convert(features)
    head = random_head(x)
    (tmp_path / "new.tflite").write_bytes(write_model(base, head_input, head, "new"))
    scores = Labeler(read_bundle(tmp_path / "new.tflite")).score(picture)
    np.testing.assert_allclose(scores, head.score(x)[0], atol=1e-5)
