"""Tasks of Label Studio, and where their pictures are."""

import pytest

from appliance.workshop.datasets.label_studio import is_on_server, is_task, locate_picture, read_task


def make_task(*results):
    return {"data": {"image": "/data/upload/3/1a2b3c4d-1.jpg"}, "annotations": [{"result": list(results)}]}


def test_choices_are_the_labels_and_the_upload_is_found():
    task = make_task({"value": {"choices": ["dog", "cat"]}})
    record = read_task("entry 1", task)
    assert is_task(task) and (record.label, record.others) == ("cat", ("dog",))
    assert record.paths == ("images/1a2b3c4d-1.jpg", "1a2b3c4d-1.jpg", "images/1.jpg", "1.jpg")


@pytest.mark.parametrize("kind", ["rectanglelabels", "polygonlabels", "brushlabels"])
def test_boxes_and_outlines_are_named(kind):
    with pytest.raises(ValueError, match=f"boxes or outlines .{kind}.; export choices"):
        read_task("entry 1", make_task({"value": {kind: ["cat"], "x": 1}}))


def test_local_files_and_urls_are_located():
    assert locate_picture("/data/local-files/?d=a/1.jpg", None)[0] == "a/1.jpg"
    assert locate_picture("gs://b/1.jpg", None) == ("gs://b/1.jpg",)
    assert is_on_server("/data/upload/1/x.jpg") and not is_on_server("/data/x.jpg")
