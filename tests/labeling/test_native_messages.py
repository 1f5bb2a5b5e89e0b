"""The runtime's notices are hidden; everything else that native code writes arrives."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from appliance.labeling.native_messages import hide_notices
from support.paths import CHILD_ENVIRONMENT


def run(program, **options):
    return subprocess.run(
        [sys.executable, "-c", program], env=CHILD_ENVIRONMENT, capture_output=True, timeout=60, **options
    )


def test_notices_are_hidden_and_the_rest_arrives(capfd):
    with hide_notices():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no such operator\nWARN")
    os.write(2, b"ING: after\n")
    assert capfd.readouterr().err == "ERROR: no such operator\nWARNING: after\n"


def test_messages_arrive_when_the_model_is_rejected(capfd):
    with pytest.raises(ValueError, match="rejected"), hide_notices():
        os.write(2, b"ERROR: unresolved custom op\n")
        raise ValueError("rejected")
    assert capfd.readouterr().err == "ERROR: unresolved custom op\n"


def test_lines_of_other_threads_arrive(capfd):
    inside, done = threading.Event(), threading.Event()

    def log():
        inside.wait(5)
        os.write(2, b"warning: the broker is gone\n")
        done.set()

    thread = threading.Thread(target=log)
    thread.start()
    with hide_notices():
        inside.set()
        assert done.wait(5)
    thread.join(5)
    assert capfd.readouterr().err == "warning: the broker is gone\n"


def test_loading_a_model_prints_nothing():
    program = (
        "from appliance.bundle.bundle import read_bundle\n"
        "from appliance.system.shipped import find_shipped\n"
        "from appliance.labeling.labeler import Labeler\n"
        "Labeler(read_bundle(find_shipped('flowers')))"
    )
    done = run(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_closed_standard_error_is_no_fault():
    program = (
        "import os; os.close(2)\nfrom appliance.labeling.native_messages import hide_notices\nwith hide_notices(): pass"
    )
    assert run(program).returncode == 0


def test_descriptors_are_returned():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        with hide_notices():
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_process_that_tests_models_keeps_everything(capfd, monkeypatch):
    monkeypatch.setattr("appliance.labeling.native_messages._is_kept", True)
    with hide_notices():
        os.write(2, b"INFO: a notice\n")
        assert capfd.readouterr().err == "INFO: a notice\n"
