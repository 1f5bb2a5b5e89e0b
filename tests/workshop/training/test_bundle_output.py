"""The output of a training: nothing else is replaced, and nothing partial is left."""

import os
import shutil
import signal
import subprocess
import zipfile

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import TrainingError
from appliance.workshop.training.bundle_output import create_bundle
from support.training import (
    read_files,
    read_until,
    start_on_terminal,
    train,
    train_command,
    write_pictures,
)


def test_zip_is_written_for_a_zip_name(pictures, base, tmp_path):
    assert train(pictures, "--base", base, "--out", tmp_path / "new.zip") == 0
    assert read_bundle(tmp_path / "new.zip").labels == ("blue", "green", "red")
    with zipfile.ZipFile(tmp_path / "new.zip") as archive:
        assert sorted(archive.namelist()) == ["dict.txt", "manifest.json", "model.tflite"]


def test_zip_entries_are_those_of_earlier_releases(tmp_path):
    with create_bundle(tmp_path / "new.zip") as folder:
        (folder / "manifest.json").write_text("{}")
    with zipfile.ZipFile(tmp_path / "new.zip") as archive:
        (entry,) = archive.infolist()
    assert (entry.date_time, entry.external_attr) == ((1980, 1, 1, 0, 0, 0), 0o644 << 16)
    assert (entry.create_system, entry.compress_type) == (3, zipfile.ZIP_DEFLATED)


def test_older_bundle_is_replaced_and_other_files_are_kept(pictures, base, tmp_path, capsys):
    out = tmp_path / "new"
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.0.0") == 0
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.1.0") == 0
    assert read_bundle(out).version == "1.1.0"
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "monday.txt").write_text("dear diary")
    assert train(pictures, "--base", base, "--out", tmp_path / "diary") == 1
    assert "contains files other than a model bundle" in capsys.readouterr().err
    assert read_files(tmp_path / "diary") == {"monday.txt": b"dear diary"}


def test_dataset_under_the_target_name_is_kept(pictures, base, tmp_path, capsys):
    packed = tmp_path / "flowers.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(pictures.rglob("*.png")):
            archive.write(path, path.relative_to(pictures))
    before = packed.read_bytes()
    assert train(packed, "--base", base, "--out", packed) == 1
    assert f"{packed} exists and is not a model bundle" in capsys.readouterr().err
    assert packed.read_bytes() == before
    (tmp_path / "new.zip").write_bytes(b"half a download")
    assert train(pictures, "--base", base, "--out", tmp_path / "new.zip") == 1
    assert (tmp_path / "new.zip").read_bytes() == b"half a download"


@pytest.mark.parametrize("manifest", [None, '{"name": "a web page", "icons": []}', '["no", "bundle"]', "no JSON"])
def test_folder_with_other_files_is_kept(pictures, base, tmp_path, capsys, manifest):
    out = tmp_path / "new"
    assert train(pictures, "--base", base, "--out", out) == 0
    if manifest is not None:
        (out / "manifest.json").write_text(manifest)
    else:
        (out / "notes.txt").write_text("what I tried")
    before = read_files(out)
    assert train(pictures, "--base", base, "--out", out, "--seed", "1") == 1
    assert "contains files other than a model bundle" in capsys.readouterr().err
    assert read_files(out) == before


def test_older_zip_is_replaced(pictures, base, tmp_path):
    out = tmp_path / "new.zip"
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.0.0") == 0
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.1.0") == 0
    assert read_bundle(out).version == "1.1.0"


@pytest.mark.parametrize("out", [".", "..", "/", ".zip"])
def test_target_without_a_name_is_reported_first(base, tmp_path, capsys, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    assert train(tmp_path / "nowhere", "--base", base, "--name", "mine", "--out", out) == 1
    assert f"{out} contains no name for a bundle" in capsys.readouterr().err


def test_unwritable_target_is_reported_first(pictures, base, capsys):
    assert train(pictures, "--base", base, "--out", "/proc/nowhere/new") == 1
    assert "/proc/nowhere/new cannot be written" in capsys.readouterr().err


def test_ctrl_c_leaves_the_old_bundle_alone(pictures, base, tmp_path):
    out = tmp_path / "out" / "new"
    assert train(pictures, "--base", base, "--out", out) == 0
    before = read_files(out)
    many = write_pictures(tmp_path / "many", {"red": 500, "green": 500, "blue": 500})
    process, terminal = start_on_terminal(many, "--validation", pictures, "--base", base, "--out", out)
    assert b"extracting features" in read_until(terminal, b"extracting features")
    assert len(list(out.parent.iterdir())) == 2
    process.send_signal(signal.SIGINT)
    output = read_until(terminal, b"no end of it")
    os.close(terminal)
    assert process.wait(30) == 130
    assert b"Traceback" not in output
    assert read_files(out) == before
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.skipif(
    not shutil.which("strace"), reason="strace, which sends a signal at a chosen call, is not installed"
)
@pytest.mark.parametrize(("when", "version"), [(1, "1.0.0"), (2, "2.0.0")])
@pytest.mark.slow
def test_ctrl_c_between_the_renames_leaves_a_bundle(pictures, base, tmp_path, when, version):
    out = tmp_path / "out" / "new"
    assert train(pictures, "--base", base, "--out", out, "--model-version", "1.0.0") == 0
    calls = "?rename,?renameat,?renameat2"  # the processor determines which of them exist
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}"]
    strace += ["-e", f"inject={calls}:signal=SIGINT:when={when}"]
    command = train_command(pictures, "--base", base, "--out", out, "--model-version", "2.0.0")
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*strace, *command], capture_output=True, text=True, timeout=120, env=environ)
    assert done.returncode == 130, done.stderr
    assert read_bundle(out).version == version
    assert list(out.parent.iterdir()) == [out]


def test_full_disk_leaves_no_files(pictures, base, tmp_path):
    # No file may grow beyond 2 kB, which has the same effect as a full disk.
    limited = [
        "sh",
        "-c",
        'ulimit -f 4; exec "$@"',
        "sh",
        *train_command(pictures, "--base", base, "--out", tmp_path / "out" / "new"),
    ]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"{tmp_path / 'out' / 'new'} cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_error_in_the_block_leaves_the_old_folder(tmp_path):
    out = tmp_path / "new"
    with create_bundle(out) as folder:
        (folder / "manifest.json").write_text('{"modelFile": "model.tflite"}')
    with pytest.raises(KeyError), create_bundle(out) as folder:
        (folder / "manifest.json").write_text("other")
        raise KeyError
    assert read_files(out) == {"manifest.json": b'{"modelFile": "model.tflite"}'}
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["model.tflite", "file", "folder.zip"])
def test_unsuitable_target_is_rejected(tmp_path, name):
    (tmp_path / "file").write_text("notes")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(TrainingError, match=f"{name} is .*; use"), create_bundle(tmp_path / name):
        pass
