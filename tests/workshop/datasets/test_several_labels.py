"""Pictures with several labels, in every form in which people have them: checked, packed, and read back."""

import json

import pytest

from appliance.cli import main
from appliance.errors import DatasetError
from appliance.workshop.datasets.filing import file_pictures
from appliance.workshop.datasets.label_names import rename_labels
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.pack import pack_dataset
from appliance.workshop.datasets.split_assignment import assign_splits
from appliance.workshop.training.training_set import build_training_set
from support.datasets import list_messages
from support.multi_label import LABELS, list_pictures, write_index

COUNT = 60
EXPECTED = {name: colors for name, colors, _ in list_pictures(COUNT)}


@pytest.fixture
def folder(tmp_path):
    write_index(tmp_path / "set", COUNT)
    return tmp_path / "set"


def read_labels(dataset):
    return {example.name: example.labels for example in dataset.examples}


def lines(pattern, **options):
    """Return one line for each picture; the pattern contains {name}, {labels}, and a 0 or 1 for each label."""
    for name, colors in EXPECTED.items():
        yield pattern.format(
            name=name, labels=options.get("join", ",").join(colors), **{label: int(label in colors) for label in LABELS}
        )


def vertex(name, colors):
    annotations = [{"displayName": color} for color in colors]
    return json.dumps({"imageGcsUri": name, "classificationAnnotations": annotations})


def label_studio(name, colors):
    results = [{"type": "choices", "value": {"choices": list(colors)}}]
    return {"data": {"image": f"/data/local-files/?d={name}"}, "annotations": [{"result": results}] * 2}


INDEXES = {
    "automl.csv": "\n".join(lines("{name},{labels}")),
    "split.csv": "\n".join(lines("TRAIN,{name},{labels}")),
    "tags.csv": "filename;tags\n" + "\n".join(lines("{name};{labels}")),
    "pipes.csv": "path,labels\n" + "\n".join(lines("{name},{labels}", join="|")),
    "spaces.csv": "image_name,tags\n" + "\n".join(lines("{name},{labels}", join=" ")),
    "quoted.csv": "path,label\n" + "\n".join(lines('{name},"{labels}"', join=", ")),
    "listed.csv": "path;labels\n" + "\n".join(lines("{name};['{labels}']", join="', '")),
    "numbered.csv": "path,label1,label2\n" + "\n".join(lines("{name},{labels}")),
    "one_hot.csv": "filename,blue,green,red\n" + "\n".join(lines("{name},{blue},{green},{red}")),
    "more.csv": "id,filename,blue,green,red,width\n" + "\n".join(lines("7,{name},{blue},{green},{red},36")),
    "long.csv": "path,label\n" + "\n".join(f"{name},{color}" for name, colors in EXPECTED.items() for color in colors),
    "vertex.jsonl": "\n".join(vertex(*each) for each in EXPECTED.items()),
    "studio.json": json.dumps([label_studio(*each) for each in EXPECTED.items()]),
    "min.json": json.dumps([{"image": name, "choice": {"choices": list(colors)}} for name, colors in EXPECTED.items()]),
}


@pytest.mark.parametrize("index", INDEXES)
def test_every_label_of_each_picture_is_read(index, folder):
    (folder / index).write_text(INDEXES[index])
    dataset = open_dataset(folder / index)
    found = {name.rpartition("d=")[2]: labels for name, labels in read_labels(dataset).items()}
    assert found == EXPECTED and dataset.labels == LABELS and dataset.is_multi_label
    training_set = build_training_set(folder / index, None, None, {}, 0)
    assert training_set.membership is not None and training_set.membership.sum() == len(training_set.pictures) * 1.5
    assert not [problem for problem in dataset.problems if problem.kind not in ("unused", "passed_over")]


def test_roboflow_folders_with_several_ones_are_read(folder):
    rows = ["filename, blue, green, red", *lines("{name}, {blue}, {green}, {red}")]
    (folder / "pics" / "_classes.csv").write_text("\n".join(rows).replace("pics/", ""))
    assert read_labels(open_dataset(folder)) == EXPECTED


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("splits", ["keep", "make"])
def test_packed_dataset_has_the_same_labels(form, splits, folder, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["pack", folder / "index.csv", "--out", out, "--form", form, "--split", splits]
    assert main(["dataset", *map(str, arguments)]) == 0
    capsys.readouterr()
    back = open_dataset(out / f"index.{form}")
    assert {example.name: example.labels for example in back.examples} == {
        name.replace("pics", "pictures"): colors for name, colors in EXPECTED.items()
    }
    assert all(example.split is None for example in back.examples) == (splits == "keep")
    assert main(["dataset", "check", str(out / f"index.{form}"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["pictures"], report["several_labels"]) == (COUNT, COUNT // 2)
    assert {label: counts["pictures"] for label, counts in report["labels"].items()} == dict.fromkeys(
        LABELS, COUNT // 2
    )


def test_labels_that_are_numbers_survive_a_csv(folder, tmp_path):
    renames = {label: str(number) for number, label in enumerate(LABELS)}
    pack_dataset(rename_labels(open_dataset(folder / "index.csv"), renames), tmp_path / "out", "csv")
    dataset = open_dataset(tmp_path / "out" / "index.csv")
    assert dataset.labels == ("0", "1", "2") and sum(bool(example.others) for example in dataset.examples) == COUNT // 2


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_folders_cannot_show_several_labels(form, folder, tmp_path):
    dataset = open_dataset(folder / "index.csv")
    with pytest.raises(DatasetError, match="use --form csv or --form jsonl"):
        pack_dataset(dataset, tmp_path / "out", form)
    with pytest.raises(DatasetError, match="several labels, which folders cannot show"):
        file_pictures(dataset, tmp_path / "folder")


def test_every_label_has_its_share_in_each_split(folder):
    assigned = assign_splits(open_dataset(folder / "index.csv"), 0)
    for label in LABELS:
        own = [example.split for example in assigned.examples if label in example.labels]
        assert 2 <= own.count("test") <= 5 and 2 <= own.count("validation") <= 5


def test_single_second_label_is_a_warning(folder, capsys):
    rows = [f"{name},{colors[0]}" for name, colors in EXPECTED.items()]
    (folder / "one.csv").write_text("\n".join([f"{rows[0]},{LABELS[1]}", *rows[1:]]))
    assert main(["dataset", "check", str(folder / "one.csv"), "--json"]) == 0
    findings = {each["kind"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["several_labels"]["level"] == "warning"
    assert "if that is a mistake" in findings["several_labels"]["says"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pics/000.png,blue,640,480\n", "numbers among its labels (640, 480)"),
        ("pics/000.png,10,20,30,40,blue\n", "numbers among its labels"),
        ("filename,xmin,ymin,xmax,ymax,class\npics/000.png,1,2,3,4,blue\n", "lists boxes (xmin, ymin, xmax, ymax)"),
    ],
)
def test_sizes_and_boxes_are_no_labels(text, message, folder):
    (folder / "boxes.csv").write_text(f"{text}pics/001.png,blue\n" if "xmin" not in text else text)
    dataset = open_dataset(folder / "boxes.csv")
    messages = list_messages(dataset, "wrong_row") + list_messages(dataset, "misread")
    assert any(message in each for each in messages)


def test_label_with_a_space_stays_one_label(folder):
    rows = [f"{name},{('hot dog', 'ice cream')[number % 2]}" for number, name in enumerate(EXPECTED)]
    (folder / "food.csv").write_text("path,label\n" + "\n".join(rows))
    assert open_dataset(folder / "food.csv").labels == ("hot dog", "ice cream")


def test_annotators_who_disagree_are_an_error_of_the_entry(folder):
    answers = [{"result": [{"value": {"choices": [color]}}]} for color in ("blue", "red")]
    (folder / "studio.json").write_text(json.dumps([{"data": {"image": "pics/000.png"}, "annotations": answers}]))
    with pytest.raises(DatasetError, match="different labels in different annotations"):
        open_dataset(folder / "studio.json")
