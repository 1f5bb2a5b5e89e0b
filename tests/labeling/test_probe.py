"""The probe: good bundles pass, and bad ones end in an error and never harm this process."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError, ProbeError, RuntimeMissingError
from appliance.labeling.probe import Limits, probe
from support import made_models
from support.bundles import bundle_folder
from support.paths import SHARED
from support.tiny_models import RUNTIMES

DATA = SHARED / "data/models"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the published models are not in {DATA}")
SMALL = Limits(time_s=20, memory_bytes=100 * 1024 * 1024)


def rejection(folder, limits=SMALL):
    """Return the message with which a bundle is rejected."""
    with pytest.raises(BundleError) as caught:
        probe(folder, limits)
    return str(caught.value)


def test_good_bundle_passes(tmp_path):
    folder = bundle_folder(tmp_path / "b", name="colors", version="1.2")
    result = probe(folder)
    assert result.identity == read_bundle(folder).identity
    assert 0 < result.invoke_ms < 1000 and result.runtime.startswith(("LiteRT", "tflite-runtime"))


@needs_data
@pytest.mark.parametrize(
    ("model", "outputs"),
    [
        ("tf2_mobilenet_v2_1.0_224_ptq", 1001),
        ("mobilenet_v2_1.0_224_inat_bird_quant", 965),
        ("mlkit_object_labeler", 0),
    ],
)
def test_largest_published_models_need_a_fifth_of_the_memory(tmp_path, model, outputs):
    source = DATA / f"{model}.tflite"
    if outputs:  # it comes without labels
        source = bundle_folder(tmp_path / "b", model=source.read_bytes(), labels=[f"label {n}" for n in range(outputs)])
    assert probe(source, SMALL).invoke_ms > 0


def test_crash_on_a_zip_leaves_no_files(tmp_path):
    folder = bundle_folder(tmp_path / "b", model=made_models.crashes())
    mark = uuid.uuid4().hex
    (folder / mark).touch()
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    assert "crashed" in rejection(tmp_path / "b.zip")
    unpacked = Path(tempfile.gettempdir()).glob(f"appliance-*/**/{mark}")
    assert list(unpacked) == [], "a process that crashed cannot clean up"


def test_crashing_model_is_rejected(tmp_path):
    folder = bundle_folder(tmp_path / "b", model=made_models.crashes())
    message = rejection(folder)
    assert str(folder) in message and "crashed" in message and "SIGSEGV" in message


def test_endless_model_is_rejected(tmp_path):
    folder = bundle_folder(tmp_path / "b", model=made_models.never_ends())
    started_s = time.monotonic()
    message = rejection(folder, Limits(time_s=4))
    assert str(folder) in message and "longer than 4 s" in message
    assert time.monotonic() - started_s < 8


@pytest.mark.parametrize("megabytes", [700, 4096, 7000])
def test_model_with_too_much_memory_is_rejected(tmp_path, megabytes):
    folder = bundle_folder(tmp_path / "b", model=made_models.needs_memory(megabytes * 1024 * 1024 // 4))
    message = rejection(folder, Limits())
    assert str(folder) in message and "more memory than 512 MB" in message


def test_model_below_the_memory_limit_passes(tmp_path):
    folder = bundle_folder(tmp_path / "b", model=made_models.needs_memory(50 * 1024 * 1024 // 4))
    assert probe(folder, SMALL).invoke_ms > 0


def test_scores_that_are_not_numbers_are_rejected(tmp_path):
    assert "scores that are not numbers" in rejection(bundle_folder(tmp_path / "b", model=made_models.not_numbers()))


def test_wrong_number_of_labels_is_rejected(tmp_path):
    message = rejection(bundle_folder(tmp_path / "b", labels=("red", "green", "blue", "white")))
    assert "4 labels" in message and "3 outputs" in message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 5000,
        b"<!DOCTYPE html><html>404</html>",
        os.urandom(20_000),
        b"\x1c\x00\x00\x00TFL3" + os.urandom(2000),
    ],
    ids=["empty", "zeros", "web page", "random", "random with the identifier"],
)
def test_other_files_are_rejected(tmp_path, content):
    assert str(tmp_path) in rejection(bundle_folder(tmp_path / "b", model=content))


@needs_data
def test_truncated_published_model_is_rejected(tmp_path):
    model = (DATA / "automl_mlkit_android/model.tflite").read_bytes()
    assert rejection(bundle_folder(tmp_path / "b", model=model[: len(model) // 2], labels="abcde"))


@needs_data
def test_failing_operator_is_rejected(tmp_path):
    model = (DATA / "invalid/model_invoking_error.tflite").read_bytes()
    assert rejection(bundle_folder(tmp_path / "b", model=model))


def test_missing_bundle_is_rejected(tmp_path):
    assert "does not exist" in rejection(tmp_path / "missing")


@pytest.mark.skipif("tflite-runtime" in RUNTIMES, reason="this runtime is installed")
def test_missing_runtime_is_not_the_bundles_fault(tmp_path):
    with pytest.raises(RuntimeMissingError):
        probe(bundle_folder(tmp_path / "b"), runtime="tflite-runtime")


def list_children():
    """Return the ids of the probes that this process started."""
    children = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"appliance.labeling.probe" in (process / "cmdline").read_bytes():
                children.append(int(process.name))
    return children


def start_probe(folder, limits=SMALL):
    """Start a probe in a thread and wait for its process; return its pid, the thread and the list for the outcome."""
    outcome = []

    def work():
        try:
            outcome.append(probe(folder, limits))
        except Exception as error:  # noqa: BLE001 - the test examines it
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline_s = time.monotonic() + 10
    while not (children := list_children()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return children[0], thread, outcome


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_probe_killed_from_outside_is_not_the_bundles_fault(tmp_path, sent):
    child, thread, outcome = start_probe(bundle_folder(tmp_path / "b", model=made_models.never_ends()))
    os.kill(child, sent)
    thread.join(10)
    assert isinstance(outcome[0], ProbeError) and "killed from outside" in str(outcome[0])


def test_probe_process_is_confined(tmp_path, monkeypatch):
    monkeypatch.setenv("MQTT_PASSWORD", "secret")
    core = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (core[1], core[1]))  # so that a dump would be written
    with (tmp_path / "private").open("w") as private:
        os.set_inheritable(private.fileno(), True)
        child, thread, outcome = start_probe(
            bundle_folder(tmp_path / "b", model=made_models.never_ends()), Limits(time_s=3)
        )
        proc = Path(f"/proc/{child}")
        deadline_s = time.monotonic() + 3
        limits = {}
        while limits.get("Max data size", "unlimited") == "unlimited" and time.monotonic() < deadline_s:
            lines = (proc / "limits").read_text().splitlines()[1:]
            limits = {line[:26].strip(): line[26:47].strip() for line in lines}
            time.sleep(0.01)
        opened = [str(link.readlink()) for link in (proc / "fd").iterdir()]
        environ = (proc / "environ").read_bytes()
        adjustment = (proc / "oom_score_adj").read_text().strip()
        priority = os.getpriority(os.PRIO_PROCESS, child)
        thread.join(10)
    resource.setrlimit(resource.RLIMIT_CORE, core)
    assert (
        int(limits["Max data size"]) < 1024**3
        and limits["Max core file size"] == "0"
        and int(limits["Max cpu time"]) <= 4
    )
    assert str(tmp_path / "private") not in opened and b"secret" not in environ
    assert adjustment == "1000" and priority >= 10
    assert isinstance(outcome[0], BundleError)


def test_probe_ends_without_its_parent(tmp_path):
    """Its own limits on processor and wall time end it if the parent was killed."""
    folder = bundle_folder(tmp_path / "b", model=made_models.never_ends())
    request = {"bundle": str(folder), "runtime": "auto", "threads": 1, "time_s": 1, "memory_bytes": 10**9}
    command = [sys.executable, "-m", "appliance.labeling.probe", json.dumps(request)]
    ended = subprocess.run(command, check=False, timeout=20, capture_output=True)
    # On a busy machine the limit on wall time is reached first.
    assert ended.returncode in (-signal.SIGXCPU, -signal.SIGALRM)


@needs_data
def test_flipped_bits_of_a_model_never_harm_this_process(tmp_path):
    """Each model is either rejected or still labels; both are correct, because the hash is checked elsewhere."""
    whole = (DATA / "automl_mlkit_android/model.tflite").read_bytes()
    for position in (len(whole) - 900, len(whole) - 5000, len(whole) - 12_000):
        damaged = bytearray(whole)
        damaged[position] ^= 0x40
        folder = bundle_folder(tmp_path / f"b{position}", model=bytes(damaged), labels="abcde")
        try:
            probe(folder, SMALL)
        except BundleError as error:
            message = str(error)
        else:
            continue
        assert str(folder) in message


@pytest.mark.slow
def test_probe_that_is_suspended_passes_later(tmp_path):
    """As on a device whose processes are suspended for longer than the limit."""
    child, thread, outcome = start_probe(bundle_folder(tmp_path / "b"), Limits(time_s=8))
    os.kill(child, signal.SIGSTOP)
    thread.join(10)
    assert thread.is_alive()
    os.kill(child, signal.SIGCONT)
    thread.join(60)
    assert outcome[0].invoke_ms > 0


def test_python_exception_of_the_child_is_a_refusal(tmp_path, monkeypatch):
    package = tmp_path / "packages"
    package.mkdir()
    (package / "sitecustomize.py").write_text(
        "import appliance.labeling.labeler as m\n"
        "def fail(*a, **k): raise KeyError('x\\nforged line')\n"
        "m.Labeler.score = fail\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package))
    message = rejection(bundle_folder(tmp_path / "b"))
    assert "KeyError" in message and "\n" not in message
