"""Boxes of other tools: named as what they are, and never taken for anything else."""

import pytest

from appliance.workshop.datasets.annotations import find_annotations
from appliance.workshop.datasets.containers import FolderContainer
from support.datasets import write_folder


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("labels/1.txt", "0 0.5 0.5 0.2 0.2\n", "YOLO"),
        ("labels/1.txt", "0 .5 .5 .2 .2 .3 .4\n1 .5 .5 .2 .2 .3 .4", "YOLO"),
        ("1.xml", "<annotation><object/></annotation>", "Pascal VOC"),
        ("train/_annotations.coco.json", '{"info": 1}', "COCO"),
        ("annotations/instances_val.json", '{"images": [], "annotations": []}', "COCO"),
        ("annotations.xml", "<?xml?><annotations><image/>", "CVAT"),
        ("pics/1.json", '{"shapes": []}', "LabelMe"),
        ("_annotations.createml.json", '[{"annotations": [{"coordinates": {}}]}]', "Create ML"),
        ("annotations/default.json", '{"items": []}', "Datumaro"),
        ("labels/1.txt", "a red cup on a table", None),
        ("labels/1.txt", "0 " + "11 " * 60 + "x", None),  # at once, not after trying all divisions of the numbers
        ("readme.txt", "0 0.5 0.5 0.2 0.2", None),
        ("1.xml", "<gpx/>", None),
    ],
)
def test_annotations_are_recognized_by_name_and_content(name, text, kind, tmp_path):
    container = FolderContainer(write_folder(tmp_path, {"pics/1.jpg": b"", name: text.encode()}))
    problems = find_annotations(container, container.list_files()[0])
    assert [problem.name for problem in problems] == ([name] if kind else [])
    assert all(f"of {kind}; labels are for whole pictures" in problem.message for problem in problems)
