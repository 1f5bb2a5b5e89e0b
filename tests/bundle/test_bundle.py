"""Bundles: every form they come in is read, and one that is wrong is refused with a sentence that says why."""

import gc
import hashlib
import json
import stat
import time
import zipfile

import pytest

from appliance.bundle import archive
from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.bundle.manifest import load_json
from appliance.errors import BundleError
from support.tiny_models import COLOURS, metadata, tiny_model, with_files, write_tiny

MANIFEST = {"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt"}


def said(**more) -> str:
    return json.dumps({**MANIFEST, **more})


def zipped(path, entries) -> None:
    """entries: (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries:
            packed.writestr(name, content)


def entries(prefix: str = "") -> list:
    return [
        (f"{prefix}manifest.json", said()),
        (f"{prefix}model.tflite", tiny_model()),
        (f"{prefix}dict.txt", "red\ngreen\nblue\n"),
    ]


def refused(path, says: str) -> str:
    with pytest.raises(BundleError, match=says) as caught:
        read_bundle(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    return str(caught.value)


# Forms


def test_a_folder(tmp_path):
    bundle = read_bundle(write_tiny(tmp_path / "colours"))
    sha256 = hashlib.sha256(tiny_model()).hexdigest()
    assert bundle.labels == COLOURS
    assert (bundle.identity.name, bundle.identity.version, bundle.identity.sha256) == (
        "colours",
        f"sha256:{sha256[:12]}",
        sha256,
    )
    assert bundle.version is None and bundle.confidence_threshold is None and not bundle.label_thresholds
    assert bundle.model_file == tmp_path / "colours" / "model.tflite"


def test_everything_a_manifest_can_say(tmp_path):
    bundle = read_bundle(
        write_tiny(
            tmp_path / "folder",
            manifest=said(
                name="Colours",
                version="1.2.0rc1",
                confidenceThreshold=0.25,
                labelThresholds={"red": 1, "blue": 0.5},
                backgroundLabel="green",
                created="2026-11-22T10:00:00Z",
                sha256={"model.tflite": hashlib.sha256(tiny_model()).hexdigest().upper()},
                somethingOfGoogles=[1, 2],
            ),
        )
    )
    assert (bundle.identity.name, bundle.identity.version, bundle.version) == ("Colours", "1.2.0rc1", "1.2.0rc1")
    assert bundle.confidence_threshold == 0.25 and bundle.label_thresholds == {"red": 1.0, "blue": 0.5}
    assert bundle.background_label == "green" and bundle.created == "2026-11-22T10:00:00Z"


def test_a_manifest_with_trailing_commas_and_a_byte_order_mark(tmp_path):
    manifest = '\ufeff{"modelFile": "model.tflite", "name": "a,}b", "labelThresholds": {"red": 0.5,\n},\n}'
    assert read_bundle(write_tiny(tmp_path / "ios", manifest=manifest)).identity.name == "a,}b"


def test_a_manifest_of_any_name(tmp_path):
    folder = write_tiny(tmp_path / "ios")
    (folder / "manifest.json").rename(folder / "automl_labeler_manifest.json")
    (folder / "notes.json").write_text("[1]")
    (folder / "model-2.tflite").write_bytes(tiny_model("uint8"))
    assert read_bundle(folder).model_file.name == "model.tflite"


@pytest.mark.parametrize("prefix", ["", "export/", "a/b/"])
def test_a_zip(tmp_path, prefix):
    zipped(tmp_path / "colours.zip", [*entries(prefix), ("__MACOSX/._x", b"")])
    bundle = read_bundle(tmp_path / "colours.zip")
    assert bundle.labels == COLOURS and bundle.identity.name == "colours"
    assert bundle.source == tmp_path / "colours.zip"


def test_a_zip_is_unpacked_privately_for_as_long_as_its_bundle_lives(tmp_path):
    zipped(tmp_path / "colours.zip", entries())
    bundle = read_bundle(tmp_path / "colours.zip")
    unpacked = bundle.model_file
    assert unpacked.read_bytes() == tiny_model() and stat.S_IMODE(unpacked.parent.stat().st_mode) == 0o700
    del bundle
    gc.collect()
    assert not unpacked.parent.exists()


def test_contents_decide_what_a_file_is(tmp_path):
    zipped(tmp_path / "colours.tflite", entries())
    (tmp_path / "colours.zip").write_bytes(with_files(tiny_model(), {"labels.txt": "a\nb\nc"}))
    assert read_bundle(tmp_path / "colours.tflite").labels == COLOURS
    assert read_bundle(tmp_path / "colours.zip").labels == ("a", "b", "c")


@pytest.mark.parametrize("name", ["tiny.txt", "tiny_labels.txt", "dict.txt", "labels.txt"])
def test_a_bare_model_with_labels_beside_it(tmp_path, name):
    (tmp_path / "tiny.tflite").write_bytes(tiny_model())
    (tmp_path / name).write_text("x\ny\nz")
    bundle = read_bundle(tmp_path / "tiny.tflite")
    assert bundle.labels == ("x", "y", "z") and bundle.identity.name == "tiny"


def test_the_label_file_of_the_models_own_name_comes_first(tmp_path):
    (tmp_path / "tiny.tflite").write_bytes(tiny_model())
    (tmp_path / "tiny.txt").write_text("own\ny\nz")
    (tmp_path / "dict.txt").write_text("other\ny\nz")
    assert read_bundle(tmp_path / "tiny.tflite").labels[0] == "own"


def test_a_bare_model_in_a_bundle_is_the_bundle(tmp_path):
    folder = write_tiny(tmp_path / "folder", manifest=said(name="Colours", version="2.0"))
    assert read_bundle(folder / "model.tflite").identity.version == "2.0"


def test_a_folder_with_one_model_needs_no_manifest(tmp_path):
    folder = write_tiny(tmp_path / "colours")
    (folder / "manifest.json").unlink()
    assert read_bundle(folder).labels == COLOURS


# Labels


@pytest.mark.parametrize(
    "text", ["red\ngreen\nblue", "red\ngreen\nblue\n", "red\r\ngreen\r\nblue\r\n", "\ufeffred\ngreen \nblue\n\n\n"]
)
def test_label_files_as_found_in_practice(tmp_path, text):
    folder = write_tiny(tmp_path / "folder")
    (folder / "dict.txt").write_bytes(text.encode())
    assert read_bundle(folder).labels == COLOURS


def test_labels_keep_their_commas_and_their_letters(tmp_path):
    labels = ("tench, Tinca tinca", "crème brûlée", "a\u2028b")
    assert read_bundle(write_tiny(tmp_path / "folder", labels="\n".join(labels))).labels == labels


@pytest.mark.parametrize(
    ("files", "meant"),
    [
        ((("mids.txt", ""), ("names.txt", "en")), "names"),
        ((("mids.txt", ""), ("names.txt", "en-GB")), "names"),
        ((("noms.txt", "fr"), ("mids.txt", "")), "mids"),
        ((("names.txt", ""), ("mids.txt", "")), "names"),
        ((("gone.txt", "en"), ("mids.txt", "")), "mids"),
    ],
)
def test_of_several_label_files_inside_the_english_one_is_read(tmp_path, files, meant):
    inside = {name: f"{name.removesuffix('.txt')}\nb\nc" for name in ("mids.txt", "names.txt", "noms.txt")}
    (tmp_path / "m.tflite").write_bytes(with_files(tiny_model(metadata=metadata(label_files=files)), inside))
    assert read_bundle(tmp_path / "m.tflite").labels[0] == meant


@pytest.mark.parametrize(
    "about", [None, metadata(), metadata(label_files=(("gone.txt", ""),)), b"no flatbuffer at all", b""]
)
def test_metadata_that_points_to_nothing_leaves_the_one_text_file(tmp_path, about):
    (tmp_path / "m.tflite").write_bytes(with_files(tiny_model(metadata=about), {"labels.txt": "a\nb\nc"}))
    assert read_bundle(tmp_path / "m.tflite").labels == ("a", "b", "c")


def test_two_text_files_without_metadata(tmp_path):
    (tmp_path / "m.tflite").write_bytes(with_files(tiny_model(), {"labels.txt": "a\nb\nc", "labels-en.txt": "x\ny\nz"}))
    assert read_bundle(tmp_path / "m.tflite").labels == ("x", "y", "z")
    (tmp_path / "m.tflite").write_bytes(with_files(tiny_model(), {"one.txt": "a\nb\nc", "two.txt": "x\ny\nz"}))
    refused(tmp_path / "m.tflite", "nothing says which has the labels: one.txt, two.txt")


def test_the_score_threshold_in_the_metadata_is_the_bundles_own(tmp_path):
    folder = write_tiny(tmp_path / "folder", tiny_model(metadata=metadata(threshold=0.35)))
    assert read_bundle(folder).confidence_threshold == 0.35
    (folder / "manifest.json").write_text(said(confidenceThreshold=0.0))
    assert read_bundle(folder).confidence_threshold == 0.0


# Writing


def test_what_is_written_reads_the_same(tmp_path):
    model = with_files(tiny_model(metadata=metadata(threshold=0.35)), {"labels.txt": "réd\ngreen\nblue"})
    (tmp_path / "source.tflite").write_bytes(model)
    for number, bundle in enumerate(
        [
            read_bundle(tmp_path / "source.tflite"),
            read_bundle(
                write_tiny(
                    tmp_path / "full",
                    manifest=said(
                        name="C", version="1.0", labelThresholds={"red": 0.5}, backgroundLabel="blue", created="today"
                    ),
                )
            ),
        ]
    ):
        write_bundle(bundle, tmp_path / f"out{number}" / "deep")
        again = read_bundle(tmp_path / f"out{number}" / "deep")
        for field in (
            "labels",
            "identity",
            "confidence_threshold",
            "label_thresholds",
            "background_label",
            "created",
            "version",
        ):
            assert getattr(again, field) == getattr(bundle, field)
        assert sorted(path.name for path in again.model_file.parent.iterdir()) == [
            "dict.txt",
            "manifest.json",
            "model.tflite",
        ]


def test_a_written_bundle_notices_a_changed_file(tmp_path):
    write_bundle(read_bundle(write_tiny(tmp_path / "in")), tmp_path / "out")
    (tmp_path / "out" / "dict.txt").write_text("red\nblue\ngreen\n")
    refused(tmp_path / "out", "'dict.txt' has another sha256")


# Refusals


def test_what_is_not_there(tmp_path):
    refused(tmp_path / "nothing.zip", "does not exist")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "neither a manifest.json nor a .tflite")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><title>404</title>", "web page, not a model"),
        (b"\n <html><body>Not found</body></html>", "web page, not a model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a TFLite model"),
        (b"\xff\xff\xff\x7fTFL3", "damaged or cut short"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(64), "damaged or cut short|no graph"),
    ],
)
def test_what_is_no_model(tmp_path, content, says):
    (tmp_path / "m.tflite").write_bytes(content)
    refused(tmp_path / "m.tflite", says)
    refused(write_tiny(tmp_path / "folder", content or b"", said()), says)


def test_a_model_cut_short_anywhere_is_refused(tmp_path):
    model = tiny_model()
    (tmp_path / "dict.txt").write_text("red\ngreen\nblue")
    for length in range(0, len(model), 3):
        (tmp_path / "m.tflite").write_bytes(model[:length])
        with pytest.raises(BundleError):
            read_bundle(tmp_path / "m.tflite")


def test_damaged_bytes_never_raise_anything_else(tmp_path):
    model = bytearray(
        with_files(tiny_model(metadata=metadata((1.0,), (2.0,), 0.5, (("l.txt", ""),))), {"l.txt": "a\nb\nc"})
    )
    path = tmp_path / "m.tflite"
    for place in range(0, len(model), 2):
        damaged = bytearray(model)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_bundle(path)
        except BundleError:
            pass


def test_no_labels_anywhere(tmp_path):
    (tmp_path / "m.tflite").write_bytes(tiny_model(ending=None))
    refused(tmp_path / "m.tflite", r"not an image classifier, or its labels are missing.*output is \[1, 3\]")


def test_files_that_the_manifest_names_and_that_are_missing(tmp_path):
    folder = write_tiny(tmp_path / "folder")
    (folder / "dict.txt").unlink()
    refused(folder, "label file 'dict.txt' that its manifest names is not there")
    (folder / "model.tflite").unlink()
    refused(folder, "modelFile 'model.tflite' is not there")
    refused(write_tiny(tmp_path / "sums", manifest=said(sha256={"more.bin": "0" * 64})), "'more.bin', whose sha256")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (b"", "is empty"),
        (b"red\n\nblue\n", "line 2 is empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a\0b", "binary"),
        (b"<html>", "web page"),
    ],
)
def test_label_files_that_are_none(tmp_path, labels, says):
    folder = write_tiny(tmp_path / "folder")
    (folder / "dict.txt").write_bytes(labels)
    refused(folder, f"dict.txt.*{says}")


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"labelsFile": "dict.txt"}', "modelFile is missing"),
        (said(modelType="OBJECT_DETECTION"), "modelType is 'OBJECT_DETECTION'"),
        (said(modelFile="../model.tflite"), "leads out of the bundle"),
        (said(modelFile="/etc/passwd"), "leads out of the bundle"),
        (said(labelsFile="..\\dict.txt"), "leads out of the bundle"),
        (said(modelFile=7), "modelFile must be a text, not the number 7"),
        (said(name=""), "name must be a text"),
        (said(version=1.0), "version must be a text"),
        (said(version="first"), "not a version by PEP 440"),
        (said(confidenceThreshold="0.5"), "confidenceThreshold must be a number from 0 to 1, not the text '0.5'"),
        (said(confidenceThreshold=True), "confidenceThreshold must be a number"),
        (said(confidenceThreshold=[0.5]), "confidenceThreshold must be a number from 0 to 1, not a list"),
        (said(confidenceThreshold=50), "confidenceThreshold must be from 0 to 1, not 50"),
        (said(confidenceThreshold=float("nan")), "confidenceThreshold must be from 0 to 1"),
        (said(labelThresholds=[0.5]), "labelThresholds must be an object"),
        (said(labelThresholds={"red": None}), "labelThresholds of 'red' must be a number"),
        (said(labelThresholds={"rad": 0.5}), "labelThresholds: the model has no label 'rad'; near it are 'red'"),
        (said(backgroundLabel="nothing"), "backgroundLabel: the model has no label 'nothing'"),
        (said(sha256={"model.tflite": "0" * 64}), "'model.tflite' has another sha256"),
        (said(sha256={"model.tflite": "abc"}), "64 hex digits"),
        (said(sha256={"../x": "0" * 64}), "leads out of the bundle"),
        (said(created=2026), "created must be a text"),
    ],
)
def test_manifests_that_are_wrong(tmp_path, manifest, says):
    refused(write_tiny(tmp_path / "folder", manifest=manifest), says)


@pytest.mark.parametrize(
    "text", ['{"a": "' + '\\"' * 60_000, '{"a": "' + '\\"' * 60_000 + "\\", "[" + ", " * 60_000, "[," + " " * 60_000]
)
def test_a_manifest_made_to_be_slow_is_refused_at_once(text):
    begun_s = time.process_time()
    with pytest.raises(BundleError, match="is not JSON"):
        load_json(text.encode(), "it")
    assert time.process_time() - begun_s < 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": ' + "7" * 5000 + "}", "too many digits"),
        ('{"a": ' + "7" * 5000 + ",}", "too many digits"),
        ("[" * 100_000, "too deep"),
    ],
)
def test_json_that_python_does_not_read_is_refused(text, says):
    with pytest.raises(BundleError, match=says):
        load_json(text.encode(), "it")


def test_commas_and_quotes_inside_strings_stay():
    assert load_json(b'{"a": ",]\\",}", "b": [1, 2 , ], }', "it") == {"a": ',]",}', "b": [1, 2]}


def test_which_model_is_meant_must_be_clear(tmp_path):
    folder = write_tiny(tmp_path / "folder")
    (folder / "manifest.json").unlink()
    (folder / "model-2.tflite").write_bytes(tiny_model())
    refused(folder, "holds 2 models .* no manifest.json says which")
    (folder / "a.json").write_text(said())
    (folder / "b.json").write_text(said())
    refused(folder, "several bundles")


def info(name: str, mode: int = 0) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (info("../evil.txt"), "leads out of the bundle"),
        (info("a/../../evil.txt"), "leads out of the bundle"),
        (info("/etc/evil.txt"), "leads out of the bundle"),
        (info("C:evil.txt"), "leads out of the bundle"),
        (info("link", stat.S_IFLNK | 0o777), "is a link"),
        (info("pipe", stat.S_IFIFO | 0o600), "neither a file nor a folder"),
        (info("./dict.txt"), "twice"),
        (info("dict.txt/more.txt"), "a file and a folder at once"),
    ],
)
def test_zips_that_climb_out_or_hold_links(tmp_path, entry, says):
    zipped(tmp_path / "evil.zip", [*entries(), (entry, b"/etc/passwd")])
    before = set(tmp_path.parent.iterdir())
    refused(tmp_path / "evil.zip", says)
    assert set(tmp_path.parent.iterdir()) == before


def test_a_zip_that_unpacks_to_too_much(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        with packed.open("zeros.bin", "w") as out:
            for _ in range(257):
                out.write(bytes(1 << 20))
    assert (tmp_path / "bomb.zip").stat().st_size < 1 << 20
    refused(tmp_path / "bomb.zip", "would unpack to 257 MiB, more than 256 MiB")


@pytest.mark.parametrize("name", ["n" * 300, "/".join(["folder"] * 800), "n" * 300 + "/"])
def test_a_zip_with_a_name_that_no_file_can_have(tmp_path, name):
    zipped(tmp_path / "b.zip", [*entries(), (name, b"")])
    refused(tmp_path / "b.zip", "has a name that no file here can have")


def test_a_zip_with_too_many_entries(tmp_path):
    zipped(tmp_path / "many.zip", [(f"{number}.txt", b"") for number in range(archive.MAX_ENTRIES + 1)])
    refused(tmp_path / "many.zip", "holds 1001 entries")


def test_zips_that_are_damaged(tmp_path):
    path = tmp_path / "cut.zip"
    zipped(path, entries())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "cut.zip is not a zip file, or it is cut short: copy or make it again.$")
    damaged = bytearray(whole)
    damaged[whole.index(b"model.tflite") + 60] ^= 0xFF
    path.write_bytes(damaged)
    refused(path, "cannot be unpacked")
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(encrypted)
    refused(path, "is encrypted")


def test_a_zip_that_declares_less_than_it_holds(tmp_path):
    path = tmp_path / "liar.zip"
    zipped(
        path,
        [("manifest.json", said()), ("dict.txt", "red\ngreen\nblue"), ("model.tflite", tiny_model() + bytes(100_000))],
    )
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    refused(path, "damaged|cut short")
