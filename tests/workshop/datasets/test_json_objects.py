"""Objects of any JSON index."""

import pytest

from appliance.workshop.datasets.json_objects import list_objects, read_object


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"file_name": "1.jpg", "label": "cat"}, ("1.jpg", "cat", (), None)),
        ({"filename": "1.jpg", "class": 3, "split": "val"}, ("1.jpg", "3", (), "validation")),
        ({"image": "1.jpg", "annotations": [{"label": "dog"}, {"label": "cat"}]}, ("1.jpg", "cat", ("dog",), None)),
        ({"image": "1.jpg", "choice": {"choices": ["b", "a"]}, "id": 7}, ("1.jpg", "a", ("b",), None)),
        ({"foto": "1.jpg", "tags": [], "category": "cat"}, ("1.jpg", "cat", (), None)),
    ],
)
def test_picture_label_and_split_have_many_names(value, expected):
    record = read_object("entry 1", value)
    assert (record.name, record.label, record.others, record.split) == expected


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"image": "1.jpg", "annotations": [{"label": "cat", "coordinates": {"x": 1}}]}, ValueError),
        ({"image": "1.jpg", "bbox": [1, 2, 3, 4], "label": "cat"}, ValueError),
        ({"image": "1.jpg", "label": "cat", "split": 7}, ValueError),
        ({"image": "1.jpg", "label": 0.5}, TypeError),
        ({"label": "cat"}, TypeError),
    ],
)
def test_other_objects_are_errors(value, error):
    with pytest.raises(error):
        read_object("entry 1", value)


def test_mapping_from_pictures_to_labels_is_a_list():
    assert list(list_objects({"1.jpg": "cat", "2.jpg": {"label": "dog"}}) or []) == [
        {"path": "1.jpg", "label": "cat"}, {"path": "2.jpg", "label": "dog"},
    ]  # fmt: skip
    assert list(list_objects({"classes": ["cat", "dog"], "labels": {"1": 1, "2": [0, 1]}}) or []) == [
        {"path": "1", "label": "dog"}, {"path": "2", "label": ["cat", "dog"]},
    ]  # fmt: skip
    assert list_objects({"cat": 0}) is None and list_objects({}) is None
