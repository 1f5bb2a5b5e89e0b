"""Every form of a bundle is read, a written one reads the same, and a wrong one is rejected with a reason."""

import contextlib
import gc
import hashlib
import stat

import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.errors import BundleError
from support.tiny_bundles import assert_rejected, manifest_text, tiny_entries, write_entries
from support.tiny_models import COLORS, metadata, tiny_model, with_files, write_tiny


def test_folder_is_read(tmp_path):
    bundle = read_bundle(write_tiny(tmp_path / "colors"))
    sha256 = hashlib.sha256(tiny_model()).hexdigest()
    assert bundle.labels == COLORS
    assert (bundle.identity.name, bundle.identity.version, bundle.identity.sha256) == (
        "colors",
        f"sha256:{sha256[:12]}",
        sha256,
    )
    assert bundle.version is None and bundle.confidence_threshold is None and not bundle.label_thresholds
    assert bundle.model_file == tmp_path / "colors" / "model.tflite"


def test_every_manifest_key_is_read(tmp_path):
    bundle = read_bundle(
        write_tiny(
            tmp_path / "folder",
            manifest=manifest_text(
                name="Colors",
                version="1.2.0rc1",
                confidenceThreshold=0.25,
                labelThresholds={"red": 1, "blue": 0.5},
                backgroundLabel="green",
                created="2026-11-22T10:00:00Z",
                description="paints\x1b[2J, no people",
                sha256={"model.tflite": hashlib.sha256(tiny_model()).hexdigest().upper()},
                somethingOfGoogles=[1, 2],
            ),
        )
    )
    assert (bundle.identity.name, bundle.identity.version, bundle.version) == ("Colors", "1.2.0rc1", "1.2.0rc1")
    assert bundle.confidence_threshold == 0.25 and bundle.label_thresholds == {"red": 1.0, "blue": 0.5}
    assert bundle.background_label == "green" and bundle.created == "2026-11-22T10:00:00Z"
    assert bundle.description and "no people" in bundle.description and "\x1b" not in bundle.description


def test_manifest_with_trailing_commas_and_bom_is_read(tmp_path):
    manifest = '\ufeff{"modelFile": "model.tflite", "name": "a,}b", "labelThresholds": {"red": 0.5,\n},\n}'
    assert read_bundle(write_tiny(tmp_path / "ios", manifest=manifest)).identity.name == "a,}b"


def test_manifest_may_have_any_name(tmp_path):
    folder = write_tiny(tmp_path / "ios")
    (folder / "manifest.json").rename(folder / "automl_labeler_manifest.json")
    (folder / "notes.json").write_text("[1]")
    (folder / "model-2.tflite").write_bytes(tiny_model("uint8"))
    assert read_bundle(folder).model_file.name == "model.tflite"


@pytest.mark.parametrize("prefix", ["", "export/", "a/b/"])
def test_zip_is_read(tmp_path, prefix):
    write_entries(tmp_path / "colors.zip", [*tiny_entries(prefix), ("__MACOSX/._x", b"")])
    bundle = read_bundle(tmp_path / "colors.zip")
    assert bundle.labels == COLORS and bundle.identity.name == "colors"
    assert bundle.source == tmp_path / "colors.zip"


def test_unpacked_zip_is_private_and_removed_with_the_bundle(tmp_path):
    write_entries(tmp_path / "colors.zip", tiny_entries())
    bundle = read_bundle(tmp_path / "colors.zip")
    unpacked = bundle.model_file
    assert unpacked.read_bytes() == tiny_model() and stat.S_IMODE(unpacked.parent.stat().st_mode) == 0o700
    del bundle
    gc.collect()
    assert not unpacked.parent.exists()


def test_contents_decide_the_kind_of_file(tmp_path):
    write_entries(tmp_path / "colors.tflite", tiny_entries())
    (tmp_path / "colors.zip").write_bytes(with_files(tiny_model(), {"labels.txt": "a\nb\nc"}))
    assert read_bundle(tmp_path / "colors.tflite").labels == COLORS
    assert read_bundle(tmp_path / "colors.zip").labels == ("a", "b", "c")


@pytest.mark.parametrize("name", ["tiny.txt", "tiny_labels.txt", "dict.txt", "labels.txt"])
def test_bare_model_uses_the_label_file_next_to_it(tmp_path, name):
    (tmp_path / "tiny.tflite").write_bytes(tiny_model())
    (tmp_path / name).write_text("x\ny\nz")
    bundle = read_bundle(tmp_path / "tiny.tflite")
    assert bundle.labels == ("x", "y", "z") and bundle.identity.name == "tiny"


def test_label_file_with_the_models_name_comes_first(tmp_path):
    (tmp_path / "tiny.tflite").write_bytes(tiny_model())
    (tmp_path / "tiny.txt").write_text("own\ny\nz")
    (tmp_path / "dict.txt").write_text("other\ny\nz")
    assert read_bundle(tmp_path / "tiny.tflite").labels[0] == "own"


def test_model_file_of_a_bundle_is_the_bundle(tmp_path):
    folder = write_tiny(tmp_path / "folder", manifest=manifest_text(name="Colors", version="2.0"))
    assert read_bundle(folder / "model.tflite").identity.version == "2.0"


def test_folder_with_one_model_needs_no_manifest(tmp_path):
    folder = write_tiny(tmp_path / "colors")
    (folder / "manifest.json").unlink()
    assert read_bundle(folder).labels == COLORS


def test_written_bundle_reads_the_same(tmp_path):
    model = with_files(tiny_model(metadata=metadata(threshold=0.35)), {"labels.txt": "réd\ngreen\nblue"})
    (tmp_path / "source.tflite").write_bytes(model)
    for number, bundle in enumerate(
        [
            read_bundle(tmp_path / "source.tflite"),
            read_bundle(
                write_tiny(
                    tmp_path / "full",
                    manifest=manifest_text(
                        name="C",
                        version="1.0",
                        labelThresholds={"red": 0.5},
                        backgroundLabel="blue",
                        created="today",
                        description="colors",
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
            "description",
            "version",
        ):
            assert getattr(again, field) == getattr(bundle, field)
        assert sorted(path.name for path in again.model_file.parent.iterdir()) == [
            "dict.txt",
            "manifest.json",
            "model.tflite",
        ]


def test_written_bundle_detects_a_changed_file(tmp_path):
    write_bundle(read_bundle(write_tiny(tmp_path / "in")), tmp_path / "out")
    (tmp_path / "out" / "dict.txt").write_text("red\nblue\ngreen\n")
    assert_rejected(tmp_path / "out", "'dict.txt' does not match its sha256")


def test_missing_or_empty_source_is_rejected(tmp_path):
    assert_rejected(tmp_path / "nothing.zip", "does not exist")
    (tmp_path / "empty").mkdir()
    assert_rejected(tmp_path / "empty", "neither a manifest.json nor a .tflite")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><title>404</title>", "web page, not a model"),
        (b"\n <html><body>Not found</body></html>", "web page, not a model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a TFLite model"),
        (b"\xff\xff\xff\x7fTFL3", "damaged or truncated"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(64), "damaged or truncated|no graph"),
    ],
)
def test_other_files_are_rejected(tmp_path, content, reason):
    (tmp_path / "m.tflite").write_bytes(content)
    assert_rejected(tmp_path / "m.tflite", reason)
    assert_rejected(write_tiny(tmp_path / "folder", content or b"", manifest_text()), reason)


def test_model_truncated_anywhere_is_rejected(tmp_path):
    model = tiny_model()
    (tmp_path / "dict.txt").write_text("red\ngreen\nblue")
    for length in range(0, len(model), 3):
        (tmp_path / "m.tflite").write_bytes(model[:length])
        with pytest.raises(BundleError):
            read_bundle(tmp_path / "m.tflite")


def test_damaged_bytes_raise_nothing_but_bundle_errors(tmp_path):
    model = bytearray(
        with_files(tiny_model(metadata=metadata((1.0,), (2.0,), 0.5, (("l.txt", ""),))), {"l.txt": "a\nb\nc"})
    )
    path = tmp_path / "m.tflite"
    for index in range(0, len(model), 2):
        damaged = bytearray(model)
        damaged[index] ^= 0xFF
        path.write_bytes(damaged)
        with contextlib.suppress(BundleError):
            read_bundle(path)


def test_model_without_labels_is_rejected(tmp_path):
    (tmp_path / "m.tflite").write_bytes(tiny_model(ending=None))
    assert_rejected(tmp_path / "m.tflite", r"not an image classifier, or its labels are missing.*output is \[1, 3\]")


def test_missing_files_of_the_manifest_are_rejected(tmp_path):
    folder = write_tiny(tmp_path / "folder")
    (folder / "dict.txt").unlink()
    assert_rejected(folder, "label file 'dict.txt'.*missing")
    (folder / "model.tflite").unlink()
    assert_rejected(folder, "modelFile 'model.tflite' is missing")
    assert_rejected(
        write_tiny(tmp_path / "sums", manifest=manifest_text(sha256={"more.bin": "0" * 64})),
        "'more.bin' is listed in sha256 but missing",
    )


def test_ambiguous_model_is_rejected(tmp_path):
    folder = write_tiny(tmp_path / "folder")
    (folder / "manifest.json").unlink()
    (folder / "model-2.tflite").write_bytes(tiny_model())
    assert_rejected(folder, "contains 2 models .* no manifest.json")
    (folder / "a.json").write_text(manifest_text())
    (folder / "b.json").write_text(manifest_text())
    assert_rejected(folder, "several bundles")
