"""Datasets in the forms in which people have them, made of small generated pictures.

Each form writes pictures of the labels cat and dog below a folder and returns the path to open. Labels and splits that
are expected: see PLAIN, SPLIT, and NO_TEST; a text is part of the sentence with which training is refused.
"""

import functools
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pillow_heif
from PIL import Image

from support.datasets import make_pixels

Counts = dict[str, tuple[int, int, int, int]]

# Label → pictures of train, validation, test, and without a split.
PLAIN: Counts = {"cat": (0, 0, 0, 12), "dog": (0, 0, 0, 12)}
SPLIT: Counts = {"cat": (12, 0, 4, 0), "dog": (12, 0, 4, 0)}
VALIDATED: Counts = {"cat": (12, 4, 0, 0), "dog": (12, 4, 0, 0)}
ALL_SPLITS: Counts = {"cat": (12, 4, 4, 0), "dog": (12, 4, 4, 0)}
_FIRST = {"cat": 0, "dog": 100}
_OFFSETS = {"train": 0, "validation": 30, "test": 60}


@dataclass(frozen=True)
class Form:
    """One form: how to write it, and what is expected of it."""

    name: str
    write: Callable[[Path], Path]
    expected: Counts | str


pillow_heif.register_heif_opener()


@functools.cache
def picture(seed: int, form: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(make_pixels(seed, 40, 30)).save(out, form)
    return out.getvalue()


def seeds(label: str, split: str = "train") -> range:
    """Return the seeds of a label's pictures in a split: 12 for training, 4 for each other one."""
    first = _FIRST[label] + _OFFSETS[split]
    return range(first, first + (12 if split == "train" else 4))


def put(folder: Path, name: str, content: bytes | str, encoding: str = "utf-8") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))


def put_labels(folder: Path, pattern: str, split: str = "train", suffix: str = "jpg", form: str = "JPEG") -> None:
    """Write the pictures of both labels; the pattern contains {label} and {n}, and gets the suffix."""
    for label in _FIRST:
        for n in seeds(label, split):
            put(folder, f"{pattern.format(label=label, n=n)}.{suffix}", picture(n, form))


def folder_form(**patterns: str) -> Callable[[Path], Path]:
    """Return a form that writes each split by its pattern."""

    def write(folder: Path) -> Path:
        for split, pattern in patterns.items():
            put_labels(folder, pattern, split)
        return folder

    return write


def extended(write: Callable[[Path], Path], **files: bytes | str) -> Callable[[Path], Path]:
    def extend(folder: Path) -> Path:
        path = write(folder)
        for name, content in files.items():
            put(folder, name.replace("__", "/").replace("_DOT_", "."), content)
        return path

    return extend


def index_form(
    name: str, line: str, header: str = "", encoding: str = "utf-8", ends: str = "\n"
) -> Callable[..., Path]:
    """Return a form with an index; the line contains {path}, {label}, {split}, and others."""

    def write(folder: Path) -> Path:
        lines = [header] if header else []
        for split in ("train", "test"):
            put_labels(folder, "{label}/{n}", split)
            for label in _FIRST:
                lines += [fill(line, label, split, n) for n in seeds(label, split)]
        put(folder, name, ends.join(lines) + ends, encoding)
        return folder / name

    return write


def fill(line: str, label: str, split: str, n: int) -> str:
    path = f"{label}/{n}.jpg"
    values = {
        "path": path, "label": label, "split": split, "SPLIT": split.upper(), "back": path.replace("/", "\\"), "n": n,
        "flag": split == "test", "is_cat": int(label == "cat"), "is_dog": int(label == "dog"),
        "use": {"train": "training"}.get(split, split),
    }  # fmt: skip
    for key, value in values.items():
        line = line.replace("{" + key + "}", str(value))
    return line


def zipped(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def pack(folder: Path) -> Path:
        source = write(folder / "source")
        with zipfile.ZipFile(folder / "set.zip", "w") as archive:
            for path in sorted(source.rglob("*.*")):
                archive.write(path, path.relative_to(source))
        return folder / "set.zip"

    return pack


def write_label_studio(folder: Path) -> Path:
    put_labels(folder, "images/1a2b3c4d-{label}{n}")
    tasks = [
        {
            "data": {"image": f"/data/upload/3/1a2b3c4d-{label}{n}.jpg"},
            "annotations": [{"result": [{"type": "choices", "value": {"choices": [label]}}]}],
        }
        for label in _FIRST
        for n in seeds(label)
    ]
    put(folder, "export.json", json.dumps(tasks))
    return folder / "export.json"


def write_label_studio_min(folder: Path) -> Path:
    put_labels(folder, "{label}{n}")
    tasks = [
        {"id": n, "image": f"/data/local-files/?d={label}{n}.jpg", "choice": label}
        for label in _FIRST for n in seeds(label)
    ]  # fmt: skip
    put(folder, "export.json", json.dumps(tasks))
    return folder / "export.json"


def write_edge_impulse(folder: Path) -> Path:
    files = []
    for split, top in (("train", "training"), ("test", "testing")):
        put_labels(folder, top + "/img{n}", split)
        files += [
            {"path": f"{top}/img{n}.jpg", "category": top, "label": {"type": "label", "label": label}}
            for label in _FIRST for n in seeds(label, split)
        ]  # fmt: skip
    put(folder, "info.labels", json.dumps({"version": 1, "files": files}))
    return folder


def write_roboflow(folder: Path) -> Path:
    for split, top in (("train", "train"), ("validation", "valid"), ("test", "test")):
        put_labels(folder, top + "/img{n}", split)
        rows = ["filename, cat, dog"]
        rows += [
            f"img{n}.jpg, {int(label == 'cat')}, {int(label == 'dog')}" for label in _FIRST for n in seeds(label, split)
        ]
        put(folder, f"{top}/_classes.csv", "\n".join(rows))
    return folder


def write_index_beside(folder: Path) -> Path:
    """Write pictures in one folder, and an index for each split that gives only their names."""
    for split in ("train", "test"):
        put_labels(folder, "images/img{n}", split)
        rows = [f"img{n}.jpg;{label}" for label in _FIRST for n in seeds(label, split)]
        put(folder, f"{split}.csv", "\n".join(["filename;label", *rows]))
    return folder


def write_index_of_ids(folder: Path) -> Path:
    put_labels(folder, "train/{n}")
    rows = [f"{n},{label}" for label in _FIRST for n in seeds(label)]
    put(folder, "labels.csv", "\n".join(["id,breed", *rows]))
    return folder / "labels.csv"


def write_lost_label(folder: Path) -> Path:
    put_labels(folder, "{label}/{n}")
    label = folder / os.fsdecode(b"m\xfcll")
    label.mkdir()
    for n in range(200, 212):
        (label / f"{n}.jpg").write_bytes(picture(n))
    return folder


def write_leaked(folder: Path) -> Path:
    folder_form(train="train/{label}/{n}", test="test/{label}/{n}")(folder)
    put(folder, "test/cat/again.jpg", picture(0))
    return folder


def write_two_labels(folder: Path) -> Path:
    put_labels(folder, "{label}/{n}")
    put(folder, "dog/again.jpg", picture(0))
    return folder


def write_bad_names(folder: Path) -> Path:
    for label, first in (("Hot Dogs", 0), ("Müll & Co", 100)):
        for n in range(first, first + 12):
            put(folder, f"{label}/{n}.jpg", picture(n))
    return folder


def write_pictures(form: str, suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        put_labels(folder, "{label}/{n}", suffix=suffix, form=form)
        return folder

    return write


_TRAIN_TEST = folder_form(train="train/{label}/{n}", test="test/{label}/{n}")
_JSONL = (
    '{"imageGcsUri": "{path}", "classificationAnnotation": {"displayName": "{label}"}, "dataItemResourceLabels": '
    '{"aiplatform.googleapis.com/ml_use": "{use}"}}'
)


def list_forms() -> Iterator[Form]:
    """Yield every form."""
    plain = folder_form(train="{label}/{n}")
    yield Form("labels", plain, PLAIN)
    yield Form("labels-zip", zipped(plain), PLAIN)
    yield Form("wrapper", folder_form(train="set/{label}/{n}"), PLAIN)
    yield Form("two-wrappers", folder_form(train="outer/set/{label}/{n}"), PLAIN)
    yield Form(
        "wrapper-loose-picture", extended(folder_form(train="set/{label}/{n}"), loose_DOT_jpg=picture(90)), PLAIN
    )
    yield Form("two-wrappers-loose", extended(folder_form(train="a/b/{label}/{n}"), loose_DOT_jpg=picture(90)), PLAIN)
    yield Form("train-test", _TRAIN_TEST, SPLIT)
    yield Form("train-test-zip", zipped(_TRAIN_TEST), SPLIT)
    yield Form("train-test-wrapper", folder_form(train="x/train/{label}/{n}", test="x/test/{label}/{n}"), SPLIT)
    yield Form(
        "capital-splits",
        folder_form(train="TRAIN/{label}/{n}", validation="VALIDATION/{label}/{n}", test="TEST/{label}/{n}"),
        ALL_SPLITS,
    )
    yield Form("training_set", folder_form(train="training_set/{label}/{n}", test="test_set/{label}/{n}"), SPLIT)
    yield Form(
        "training_set-twice",
        folder_form(train="training_set/training_set/{label}/{n}", test="test_set/test_set/{label}/{n}"),
        SPLIT,
    )
    seg = folder_form(train="seg_train/seg_train/{label}/{n}", test="seg_test/seg_test/{label}/{n}")
    yield Form("seg_train", seg, SPLIT)
    yield Form("seg_pred", extended(seg, seg_pred__seg_pred__1_DOT_jpg=picture(95)), SPLIT)
    yield Form("train-dev", folder_form(train="train/{label}/{n}", validation="dev/{label}/{n}"), VALIDATED)
    yield Form("train-eval", folder_form(train="train/{label}/{n}", validation="eval/{label}/{n}"), VALIDATED)
    yield Form(
        "train-valid-test",
        folder_form(train="train/{label}/{n}", validation="valid/{label}/{n}", test="test/{label}/{n}"),
        ALL_SPLITS,
    )
    capital = folder_form(train="Training Images/{label}/{n}", test="Testing Images/{label}/{n}")
    yield Form("Training Images", capital, SPLIT)
    yield Form("common-word", folder_form(train="animals-train/{label}/{n}", test="animals-test/{label}/{n}"), SPLIT)
    yield Form("split-in-names", folder_form(train="train_{label}/{n}", test="test_{label}/{n}"), SPLIT)
    yield Form("images-in-labels", folder_form(train="{label}/images/{n}"), PLAIN)
    yield Form("boxes-beside", extended(_TRAIN_TEST, labels__0_DOT_txt="0 .5 .5 .2 .2\n"), SPLIT)
    yield Form("images-inside", folder_form(train="train/images/{label}/{n}", test="test/images/{label}/{n}"), SPLIT)
    yield Form("label-then-split", folder_form(train="{label}/train/{n}", test="{label}/test/{n}"), SPLIT)
    yield Form("label-then-split-in", folder_form(train="s/{label}/train/{n}", test="s/{label}/test/{n}"), SPLIT)
    yield Form(
        "edge-impulse-flat", folder_form(train="training/{label}.{n}.3k2", test="testing/{label}.{n}.3k2"), SPLIT
    )
    yield Form("cats-and-dogs", extended(folder_form(train="train/{label}.{n}"), test1__1_DOT_jpg=picture(91)), {
        "cat": (12, 0, 0, 0), "dog": (12, 0, 0, 0),
    })  # fmt: skip
    yield Form("edge-impulse", write_edge_impulse, SPLIT)
    yield Form("roboflow", write_roboflow, ALL_SPLITS)
    yield Form("label-studio", write_label_studio, PLAIN)
    yield Form("label-studio-min", write_label_studio_min, PLAIN)
    yield Form("automl-csv", index_form("i.csv", "{SPLIT},{path},{label}"), SPLIT)
    yield Form("csv-without-split", index_form("i.csv", "{path},{label}"), {"cat": (0, 0, 0, 16), "dog": (0, 0, 0, 16)})
    yield Form("csv-label-first", index_form("i.csv", "{label},{path},{split}"), SPLIT)
    yield Form("csv-split-last", index_form("i.csv", "{path},{label},{split}"), SPLIT)
    yield Form("csv-semicolon", index_form("i.csv", "{SPLIT};{path};{label}"), SPLIT)
    yield Form("csv-tab", index_form("i.tsv", "{SPLIT}\t{path}\t{label}"), SPLIT)
    yield Form("csv-utf-16", index_form("i.csv", "{SPLIT},{path},{label}", encoding="utf-16"), SPLIT)
    yield Form("csv-utf-16-unmarked", index_form("i.csv", "{SPLIT},{path},{label}", encoding="utf-16-le"), SPLIT)
    yield Form("csv-backslash", index_form("i.csv", "{SPLIT},{back},{label}", ends="\r\n"), SPLIT)
    yield Form("csv-comments", index_form("i.csv", "{SPLIT},{path},{label}", "# split,path,label"), SPLIT)
    yield Form("csv-class", index_form("i.csv", "{split},{path},{label}", "set,path,class"), SPLIT)
    yield Form("csv-category", index_form("i.csv", "{path},{label},{split}", "filename,category,subset"), SPLIT)
    yield Form("csv-[LABEL]", index_form("i.csv", "{use},{path},{label}", "[ML_USE],GCS_FILE_PATH,[LABEL]"), SPLIT)
    yield Form("csv-ml_use", index_form("i.csv", "{use},{path},{label}", "ml_use,image,label"), SPLIT)
    yield Form(
        "csv-is_valid",
        index_form("i.csv", "{path},{label},{flag}", "name,label,is_valid"),
        VALIDATED,
    )
    yield Form(
        "csv-more-columns", index_form("i.csv", "{n},{path},{label},{split},9", "id,path,tag,split,width"), SPLIT
    )
    yield Form("csv-foreign-header", index_form("i.csv", "{path},{label}", "Datei,Sorte"), {
        "cat": (0, 0, 0, 16), "dog": (0, 0, 0, 16),
    })  # fmt: skip
    yield Form("csv-any-split-name", index_form("i.csv", "{path},{label},{split}", "image,label,phase"), SPLIT)
    yield Form("csv-is_test", index_form("i.csv", "{path},{label},{flag},0", "image,label,is_test,is_valid"), SPLIT)
    yield Form("csv-code-and-name", index_form("i.csv", "{path},{is_cat},{label},{n}", "image,class,class_name,fold"), {
        "cat": (0, 0, 0, 16), "dog": (0, 0, 0, 16),
    })  # fmt: skip
    yield Form("csv-beside-pictures", write_index_beside, SPLIT)
    yield Form("csv-beside-pictures-zip", zipped(write_index_beside), SPLIT)
    yield Form("csv-names-without-suffix", write_index_of_ids, {"cat": (0, 0, 0, 12), "dog": (0, 0, 0, 12)})
    yield Form("csv-one-hot", index_form("i.csv", "{path},{is_cat},{is_dog}", "filename,cat,dog"), {
        "cat": (0, 0, 0, 16), "dog": (0, 0, 0, 16),
    })  # fmt: skip
    hugging_face = index_form("m.jsonl", '{"file_name": "{path}", "label": "{label}", "split": "{split}"}')
    yield Form("hugging-face-jsonl", hugging_face, SPLIT)
    yield Form("vertex-jsonl", index_form("i.jsonl", _JSONL), SPLIT)
    for form, suffix in (("WEBP", "webp"), ("TIFF", "tiff"), ("AVIF", "avif"), ("HEIF", "HEIC"), ("PNG", "png")):
        yield Form(f"pictures-{form}", write_pictures(form, suffix), PLAIN)
    yield Form("unreadable-file", extended(plain, cat__page_DOT_jpg="<html>"), PLAIN)
    # What must end in a sentence.
    flat = folder_form(train="train/images/{label}{n}", test="valid/images/{label}{n}")
    yield Form("yolo", extended(flat, train__labels__cat0_DOT_txt="0 .5 .5 .2 .2\n"), "boxes in the form of YOLO")
    yield Form("voc", extended(flat, Annotations__cat0_DOT_xml="<annotation>"), "boxes in the form of Pascal VOC")
    coco = extended(flat, annotations__instances_train_DOT_json='{"images": [], "annotations": []}')
    yield Form("coco", coco, "boxes in the form of COCO")
    yield Form("split-and-other", extended(_TRAIN_TEST, more__1_DOT_jpg=picture(96)), "more beside them is not")
    yield Form("flat-train-test", folder_form(train="train/{label}{n}", test="test/{label}{n}"), "named like splits")
    yield Form("folds", folder_form(train="fold1/{label}/{n}", test="fold2/{label}/{n}"), "contain the same folders")
    yield Form("parts", folder_form(train="images_1/{label}{n}", test="images_2/{label}{n}"), "parts of one folder")
    yield Form("csv-without-label", index_form("i.csv", "{path},9,{n}", "path,width,size"), "gives no picture a label")
    yield Form("lost-label", write_lost_label, "would lose a label")
    yield Form("train-and-test", write_leaked, "in TRAIN and in TEST")
    yield Form("two-labels", write_two_labels, "under two labels")
    yield Form("bad-names", write_bad_names, "Hot_Dogs")
    yield Form("test-only", folder_form(test="TEST/{label}/{n}", train="TEST/{label}/t{n}"), "training pictures of cat")
    yield Form("one-label", lambda folder: plain(folder) and (folder / "dog").rename(folder.parent / "away") and folder,
               "only the label cat")  # fmt: skip
