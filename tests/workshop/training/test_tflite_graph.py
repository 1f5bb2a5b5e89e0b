"""Cutting published models and writing heads behind them: nothing changes but what is meant to."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from appliance.bundle.bundle import read_bundle
from appliance.errors import BaseModelError
from appliance.imaging.files import read_picture
from appliance.imaging.view import View
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.labeler import Labeler
from appliance.labeling.preprocess import Preparer
from appliance.workshop.training.base import open_base
from appliance.workshop.training.gate import DiscriminantSpace, LogisticCutoff, PrincipalSubspace, RejectionGate
from appliance.workshop.training.head import ClassifierHead, sqrt_features
from appliance.workshop.training.tflite_graph import Graph, Op
from appliance.workshop.training.tflite_head import write_model
from support.tiny_models import RUNTIMES, metadata, tiny_model
from support.training import write_base

LABELS = ("a", "b", "c", "d")
PUBLISHED = [
    "automl_mlkit_android", "mlkit_object_labeler.tflite", "mobilenet_v1_0.25_128_quant.tflite",
    "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite", "mobilenet_v2_1.0_224_inat_bird_quant.tflite",
    "tf2_mobilenet_v2_1.0_224_ptq.tflite", "tfls_mobilenet_v1_0.25_224_1_metadata_1.tflite",
    "tfls_mobilenet_v2_1.0_224_quant.tflite",
]  # fmt: skip


def any_head(features: np.ndarray, gate: bool = True) -> ClassifierHead:
    """A head with random weights whose gate is half open for these features."""
    random, size = np.random.default_rng(0), features.shape[1]
    x = sqrt_features(features)
    mean, components = x.mean(axis=0), np.linalg.qr(random.normal(size=(size, min(8, size))))[0]
    space = PrincipalSubspace(mean, components)
    kinds = DiscriminantSpace(
        mean, random.normal(size=(size, 3)) / 5, random.normal(size=(4, 3)), random.uniform(0.5, 1, 3)
    )
    fitted = RejectionGate(space, half_open(space.measure_distances(x)), kinds, half_open(kinds.measure_distances(x)))
    return ClassifierHead(
        LABELS, random.normal(size=(4, size)) / 10, random.normal(size=4), fitted if gate else None, 1.0
    )


def half_open(values: np.ndarray) -> LogisticCutoff:
    return LogisticCutoff(float(values.mean()), max(float(values.std()), 0.01))


def features_of(base, pictures: list[np.ndarray]) -> np.ndarray:
    model = LoadedModel(base.trunk, "trunk", "auto", 1)
    preparer = Preparer(View(), base.input_px, base.input_dtype, base.mean, base.std)
    seen = []
    for picture in pictures:
        model.write(preparer.prepare(picture))
        model.invoke()
        seen.append(model.read().reshape(-1))
    return base.pooled.dequantize(np.stack(seen))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model_takes_a_new_head_and_gives_the_scores_of_the_arithmetic(data, tmp_path, name):
    base = open_base(data / "models" / name)
    pictures = [read_picture(data / "images" / picture) for picture in ("burger.jpg", "cat.bmp", "mlkit_daisy.jpeg")]
    features = features_of(base, pictures)
    head = any_head(features)
    (tmp_path / "new.tflite").write_bytes(write_model(base, head, "new"))

    labeler = Labeler(read_bundle(tmp_path / "new.tflite"))

    assert labeler.labels == LABELS
    given = np.stack([labeler.score(picture) for picture in pictures])
    np.testing.assert_allclose(given, head.score(features), atol=1e-5)
    assert (given.sum(axis=1) < 0.99).any()  # the gate takes away; nobody made probabilities of it again


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("gate", [True, False])
def test_each_kind_of_input_is_served_in_each_runtime(tmp_path, dtype, runtime, gate):
    base = open_base(write_base(tmp_path / "base.tflite", dtype))
    pictures = [np.full((20, 20, 3), colour, np.uint8) for colour in ([200, 30, 30], [30, 200, 30], [9, 9, 9])]
    features = features_of(base, pictures)
    head = any_head(features, gate)
    (tmp_path / "new.tflite").write_bytes(write_model(base, head, "new"))

    labeler = Labeler(read_bundle(tmp_path / "new.tflite"), runtime=runtime)

    given = np.stack([labeler.score(picture) for picture in pictures])
    np.testing.assert_allclose(given, head.score(features), atol=1e-5)


def test_the_normalisation_of_a_float_base_goes_with_it(tmp_path):
    facts = metadata(mean=(100.0,), std=(50.0,))
    base = open_base(write_base(tmp_path / "base.tflite", "float32", metadata=facts))
    picture = np.full((20, 20, 3), 150, np.uint8)
    features = features_of(base, [picture])
    np.testing.assert_allclose(features, 1.0, atol=1e-5)
    head = any_head(features)
    (tmp_path / "new.tflite").write_bytes(write_model(base, head, "new"))
    scores = Labeler(read_bundle(tmp_path / "new.tflite")).score(picture)
    np.testing.assert_allclose(scores, head.score(features)[0], atol=1e-5)


def test_nothing_of_the_old_ending_stays_and_buffers_are_aligned(data):
    base = open_base(data / "models" / "mlkit_object_labeler.tflite")
    model = write_model(base, any_head(np.ones((2, base.pooled.size))), "new")
    flat = schema.Model.GetRootAs(model, 0)
    read = schema.ModelT.InitFromObj(flat)
    graph = read.subgraphs[0]
    used = {int(index) for operator in graph.operators for index in (*operator.inputs, *operator.outputs)}
    assert used == set(range(len(graph.tensors)))
    assert {operator.opcodeIndex for operator in graph.operators} == set(range(len(read.operatorCodes)))
    held = {tensor.buffer for tensor in graph.tensors} | {entry.buffer for entry in read.metadata}
    assert held | {0} == set(range(len(read.buffers)))
    assert read.buffers[0].data is None
    assert [entry.name for entry in read.metadata] == [b"TFLITE_METADATA"]
    assert not read.signatureDefs
    for place in range(flat.BuffersLength()):
        data_of = flat.Buffers(place).DataAsNumpy()
        if not isinstance(data_of, int) and data_of.size:
            offset = (
                data_of.__array_interface__["data"][0] - np.frombuffer(model, np.uint8).__array_interface__["data"][0]
            )
            assert offset % 16 == 0


def test_a_trained_model_serves_as_a_base_again(tmp_path):
    base = open_base(write_base(tmp_path / "base.tflite"))
    (tmp_path / "new.tflite").write_bytes(write_model(base, any_head(np.ones((2, 3))), "new"))
    again = open_base(tmp_path / "new.tflite")
    picture = np.full((20, 20, 3), (200, 90, 30), np.uint8)
    np.testing.assert_array_equal(features_of(again, [picture]), features_of(base, [picture]))


def test_an_average_that_other_paths_lead_around_is_not_taken_for_the_features(tmp_path):
    graph = Graph(tiny_model(ending=None), "made")
    mean = graph.find_pooled().index
    # As in squeeze and excitation: the picture itself goes on beside the average.
    product = graph.add(Op.MUL, [0, mean], (1, 8, 6, 3), "product", schema.MulOptionsT())
    (tmp_path / "base.tflite").write_bytes(graph.pack(product, "made"))
    with pytest.raises(BaseModelError, match="no layer that averages its features"):
        open_base(tmp_path / "base.tflite")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot serve as a base"),
        (b"hello, this is no model at all", "cannot serve as a base"),
        (tiny_model()[:300], "damaged or cut short"),
        (tiny_model(outputs=2), "one input and one output"),
        (tiny_model(single=True, ending=None), "no layer that averages"),
        (tiny_model(input_shape=(1, 8, 6, 1)), "no layer that averages|not a picture"),
        (tiny_model(input_shape=(1, 8, 6, 4)), "not a picture"),
        (tiny_model(input_shape=(1, 8, 6, 3), signature=(1, -1, -1, 3)), "of fixed size"),
    ],
)
def test_what_cannot_be_a_base_is_refused_in_a_sentence(tmp_path, content, says):
    (tmp_path / "base.tflite").write_bytes(content)
    with pytest.raises(BaseModelError, match=says) as refused:
        open_base(tmp_path / "base.tflite")
    assert "base.tflite" in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_model_that_is_no_classifier_is_refused(data):
    with pytest.raises(BaseModelError, match="no layer that averages its features"):
        open_base(data / "models" / "invalid" / "model_invoking_error.tflite")


def test_a_missing_base_is_refused(tmp_path):
    with pytest.raises(BaseModelError, match="does not exist"):
        open_base(tmp_path / "nothing.tflite")
