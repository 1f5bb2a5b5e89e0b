"""Indexes of Vertex AI, Label Studio, and Edge Impulse: what invalid entries become."""

import json
import re

import pytest

from appliance.workshop.datasets.json_index import parse_json, parse_jsonl


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"imageGcsUri": "gs://b/1.jpg", "boundingBoxAnnotations": []}, "gives gs://b/1.jpg boxes"),
        (
            {"imageGcsUri": "1.jpg", "classificationAnnotations": [{"displayName": "a"}, {"displayName": 7}]},
            "does not name a picture",
        ),
        ({"imageGcsUri": "1.jpg", "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "x"}}, "'x' instead"),
        ({"width": 7, "label": "cat"}, "does not name a picture"),
        ([], "does not name a picture"),
        ({"imageGcsUri": "1\x1b.jpg"}, "cannot be printed"),
    ],
)
def test_invalid_line_is_a_problem_with_its_number(value, message):
    records, problems = parse_jsonl("\n" + json.dumps(value) + "\n", "i.jsonl")
    assert not records and len(problems) == 1
    assert re.search(f"row 2 of i.jsonl .*{message}", problems[0].message)


def test_cancelled_annotations_do_not_count():
    task = {
        "data": {"image": "1.jpg"},
        "annotations": [
            {"was_cancelled": True, "result": [{"value": {"choices": ["dog"]}}]},
            {"result": [{"value": {"choices": ["cat"]}}]},
        ],
    }
    (record,), problems = parse_json(json.dumps([task]), "i.json", "i.json")
    assert record.label == "cat" and not problems


def test_boxes_of_edge_impulse_are_refused():
    files = [{"path": "training/1.jpg", "label": {"type": "unlabeled"}, "boundingBoxes": [{"label": "x"}]}]
    records, problems = parse_json(json.dumps({"files": files}), "info.labels", "info.labels")
    assert not records and "boxes" in problems[0].message


def test_lines_and_lists_are_understood_under_both_suffixes():
    objects = [{"image": "1.jpg", "label": "cat"}, {"image": "2.jpg", "label": "nan"}]
    (one, other), _ = parse_jsonl(json.dumps(objects), "i.jsonl")
    assert (one.label, other.label) == ("cat", None)
    (one, other), _ = parse_json("\n".join(map(json.dumps, objects)), "i.json", "i.json")
    assert (one.label, other.label) == ("cat", None)
