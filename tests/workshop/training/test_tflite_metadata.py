"""Written metadata and labels are what the bundle reader finds."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.tflite_metadata import LabelFileEntry, extract_labels, read_facts
from appliance.workshop.training.base import open_base
from appliance.workshop.training.tflite_graph import Graph
from appliance.workshop.training.tflite_metadata import LABEL_FILE, append_labels, build_metadata
from support.tiny_models import tiny_model


def test_metadata_is_read_back():
    graph = Graph.parse(tiny_model(), "tiny")
    facts = read_facts(graph.pack([graph.output], "tiny", build_metadata("tiny", (1.0, 2.0, 3.0), (4.0,))))
    assert (facts.mean, facts.std) == ((1.0, 2.0, 3.0), (4.0,))
    assert facts.label_files == (LabelFileEntry(LABEL_FILE, ""),)


def test_labels_are_read_back(tmp_path):
    model = append_labels(tiny_model(), ["rot", "grün", "blau"])
    assert extract_labels(model, read_facts(model)) == (LABEL_FILE, "rot\ngrün\nblau\n".encode())
    (tmp_path / "m.tflite").write_bytes(model)
    assert read_bundle(tmp_path / "m.tflite").labels == ("rot", "grün", "blau")


def test_same_labels_give_the_same_bytes():
    assert append_labels(tiny_model(), ["a"]) == append_labels(tiny_model(), ["a"])


@pytest.mark.parametrize("mean", [(127.5,), (1.0, 2.0, 3.0)])
def test_normalization_survives_in_a_base(tmp_path, mean):
    graph = Graph.parse(tiny_model(), "tiny")
    model = graph.pack([graph.output], "tiny", build_metadata("tiny", mean, (50.0,)))
    (tmp_path / "base.tflite").write_bytes(model)
    base = open_base(tmp_path / "base.tflite")
    assert (base.mean, base.std) == (mean, (50.0,))
