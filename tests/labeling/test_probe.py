"""The probe: good bundles pass it, and bad ones end in a sentence and never in the tests' own process."""

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

DATA = SHARED / "data/models"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the published models are not in {DATA}")
SMALL = Limits(time_s=20, memory_bytes=100 * 1024 * 1024)


def refusal(folder, limits=SMALL):
    """The sentence with which a bundle is refused."""
    with pytest.raises(BundleError) as caught:
        probe(folder, limits)
    return str(caught.value)


def test_a_good_bundle_passes_and_tells_of_itself(tmp_path):
    folder = bundle_folder(tmp_path / "b", name="colours", version="1.2")
    result = probe(folder)
    assert result.identity == read_bundle(folder).identity
    assert 0 < result.invoke_ms < 1000 and result.runtime.startswith(("LiteRT", "tflite-runtime"))


@needs_data
@pytest.mark.parametrize(
    "model, outputs",
    [
        ("tf2_mobilenet_v2_1.0_224_ptq", 1001),
        ("mobilenet_v2_1.0_224_inat_bird_quant", 965),
        ("mlkit_object_labeler", 0),
    ],
)
def test_the_largest_published_models_pass_within_a_fifth_of_the_memory(tmp_path, model, outputs):
    source = DATA / f"{model}.tflite"
    if outputs:  # it comes without labels
        source = bundle_folder(tmp_path / "b", model=source.read_bytes(), labels=[f"label {n}" for n in range(outputs)])
    assert probe(source, SMALL).invoke_ms > 0


def test_a_zip_is_tried_as_well_and_leaves_nothing_behind(tmp_path):
    folder = bundle_folder(tmp_path / "b", model=made_models.crashes())
    mark = uuid.uuid4().hex
    (folder / mark).touch()
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    assert "crashed" in refusal(tmp_path / "b.zip")
    unpacked = Path(tempfile.gettempdir()).glob(f"appliance-*/**/{mark}")
    assert list(unpacked) == [], "a process that crashed could not tidy up itself"


def test_a_model_that_crashes_the_process(tmp_path):
    folder = bundle_folder(tmp_path / "b", model=made_models.crashes())
    assert refusal(folder) == f"{folder} crashed the process that tried it (signal SIGSEGV)"


def test_a_model_that_never_ends(tmp_path):
    folder = bundle_folder(tmp_path / "b", model=made_models.never_ends())
    started_s = time.monotonic()
    assert refusal(folder, Limits(time_s=4)) == f"{folder} took longer than 4 s to load and run"
    assert time.monotonic() - started_s < 8


@pytest.mark.parametrize("megabytes", [700, 4096, 7000])
def test_a_model_that_needs_too_much_memory(tmp_path, megabytes):
    folder = bundle_folder(tmp_path / "b", model=made_models.needs_memory(megabytes * 1024 * 1024 // 4))
    assert refusal(folder, Limits()) == f"{folder} needs more memory than 512 MB"


def test_a_model_that_stays_below_the_limit_passes(tmp_path):
    folder = bundle_folder(tmp_path / "b", model=made_models.needs_memory(50 * 1024 * 1024 // 4))
    assert probe(folder, SMALL).invoke_ms > 0


def test_a_model_whose_scores_are_not_numbers(tmp_path):
    assert "scores that are not numbers" in refusal(bundle_folder(tmp_path / "b", model=made_models.not_numbers()))


def test_labels_that_do_not_fit(tmp_path):
    sentence = refusal(bundle_folder(tmp_path / "b", labels=("red", "green", "blue", "white")))
    assert "4 labels" in sentence and "3 outputs" in sentence


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 5000,
        b"<!DOCTYPE html><html>404</html>",
        os.urandom(20_000),
        b"\x1c\x00\x00\x00TFL3" + os.urandom(2000),
    ],
    ids=["empty", "zeros", "web page", "random", "random with a model's mark"],
)
def test_what_is_no_model(tmp_path, content):
    assert str(tmp_path) in refusal(bundle_folder(tmp_path / "b", model=content))


@needs_data
def test_a_published_model_cut_short(tmp_path):
    model = (DATA / "automl_mlkit_android/model.tflite").read_bytes()
    assert refusal(bundle_folder(tmp_path / "b", model=model[: len(model) // 2], labels="abcde"))


@needs_data
def test_an_operator_that_always_fails(tmp_path):
    model = (DATA / "invalid/model_invoking_error.tflite").read_bytes()
    assert refusal(bundle_folder(tmp_path / "b", model=model))


def test_a_missing_bundle(tmp_path):
    assert "does not exist" in refusal(tmp_path / "missing")


@pytest.mark.skipif("tflite_runtime" in sys.modules, reason="both runtimes are installed")
def test_a_runtime_that_is_missing_is_not_the_bundles_fault(tmp_path):
    with pytest.raises(RuntimeMissingError):
        probe(bundle_folder(tmp_path / "b"), runtime="tflite-runtime")


def children():
    """The processes that this one started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"appliance.labeling.probe" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def probed_aside(folder, limits=SMALL):
    """Starts a probe in a thread; waits for its process. Returns its pid, the thread and the list for the outcome."""
    outcome = []

    def work():
        try:
            outcome.append(probe(folder, limits))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline_s = time.monotonic() + 10
    while not (found := children()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return found[0], thread, outcome


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_probe_that_was_ended_from_outside_says_nothing_about_the_bundle(tmp_path, sent):
    child, thread, outcome = probed_aside(bundle_folder(tmp_path / "b", model=made_models.never_ends()))
    os.kill(child, sent)
    thread.join(10)
    assert isinstance(outcome[0], ProbeError) and "ended from outside" in str(outcome[0])


def test_the_model_meets_a_process_without_rights_to_waste(tmp_path, monkeypatch):
    monkeypatch.setenv("MQTT_PASSWORD", "secret")
    core = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (core[1], core[1]))  # so that a dump would be written
    with (tmp_path / "private").open("w") as private:
        os.set_inheritable(private.fileno(), True)
        child, thread, outcome = probed_aside(
            bundle_folder(tmp_path / "b", model=made_models.never_ends()), Limits(time_s=3)
        )
        proc = Path(f"/proc/{child}")
        deadline_s = time.monotonic() + 3
        limits = {}
        while limits.get("Max data size", "unlimited") == "unlimited" and time.monotonic() < deadline_s:
            lines = (proc / "limits").read_text().splitlines()[1:]
            limits = {line[:26].strip(): line[26:47].strip() for line in lines}
            time.sleep(0.01)
        opened = [os.readlink(link) for link in (proc / "fd").iterdir()]
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


def test_a_probe_ends_by_itself_when_the_daemon_was_killed(tmp_path):
    """The processor limit: nobody is left to end it."""
    folder = bundle_folder(tmp_path / "b", model=made_models.never_ends())
    request = {"bundle": str(folder), "runtime": "auto", "threads": 1, "time_s": 1, "memory_bytes": 10**9}
    command = [sys.executable, "-m", "appliance.labeling.probe", json.dumps(request)]
    ended = subprocess.run(command, check=False, timeout=20, capture_output=True)
    assert ended.returncode == -signal.SIGXCPU


@needs_data
def test_bits_flipped_in_the_structure_of_a_published_model_never_reach_this_process(tmp_path):
    """Each is either refused with a sentence or still labels; both are fine, as the hash is checked elsewhere."""
    whole = (DATA / "automl_mlkit_android/model.tflite").read_bytes()
    for place in (len(whole) - 900, len(whole) - 5000, len(whole) - 12_000):
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        folder = bundle_folder(tmp_path / f"b{place}", model=bytes(damaged), labels="abcde")
        try:
            probe(folder, SMALL)
        except BundleError as error:
            assert str(folder) in str(error)
