"""Test a candidate from download to swap: what is installed or refused, and what a full disk or a crash causes."""

import json
import os
import subprocess
import sys
import threading

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import LabelOptionError, SourceError, UpdateError
from appliance.updates.candidate import link_offer
from appliance.updates.sources.source import Offer
from appliance.updates.store.store import Store
from support import made_models
from support.bundles import bundle_folder, zipped
from support.model_server import (
    Drip,
)
from support.paths import CHILD_ENVIRONMENT
from support.rig import Rig, publish, publish_second


def run_on_small_disk(folder, size, script):
    """Return what a program prints that runs on a file system of this size, in its own mount namespace."""
    prepared = """
import shutil
from pathlib import Path
from support import made_models
from support.rig import Rig, publish
from support.model_server import Longer, ModelServer, Status, Truncate
"""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    mounted = f"mount -t tmpfs -o size={size} tmpfs '{folder}' && cd '{folder}' && exec '{sys.executable}' -c \"$0\""
    command = ["unshare", "-m", "sh", "-c", mounted, prepared + script]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, env=CHILD_ENVIRONMENT)
    if "unshare:" in found.stderr or "mount:" in found.stderr:
        pytest.skip(f"no mount namespace here: {found.stderr.strip()}")
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_download_reports_its_progress(rig, server, tmp_path):
    publish_second(server, tmp_path)
    server.fault("/model.tflite", Drip(every_s=0.02, size=200), times=1)
    rig.check()
    rig.until("swapped")
    percentages = [shown.percentage for shown in rig.statuses if shown.percentage is not None]
    assert percentages == sorted(percentages) and percentages[-1] == 100 and len(percentages) > 2
    assert all(
        shown.latest_version == "2.0" and shown.in_progress for shown in rig.statuses if shown.percentage is not None
    )
    rig.until("committed")
    assert (rig.statuses[-1].latest_version, rig.statuses[-1].in_progress) == (None, False)


def test_same_bundle_with_other_validators_is_not_swapped(tmp_path, server):
    server.put_folder(bundle_folder(tmp_path / "first", name=None, version=None, model=made_models.good(1)))
    with Rig(tmp_path / "device", server.url("/manifest.json")) as rig:
        rig.check()
        rig.until("committed")
        server.put("/model.tflite", made_models.good(1), etag='"put-up-again"')
        rig.check()
        last = rig.until("committed", 2)
        assert "installed" in last.reason and rig.states.count("swapped") == 1
        assert rig.check()["current"]


def test_downgrade_inside_a_zip_is_fetched_once(tmp_path, server):
    installed = bundle_folder(tmp_path / "v1", version="1.0")
    server.put("/m.zip", zipped(bundle_folder(tmp_path / "old", version="0.9", model=made_models.good(9))))
    with Rig(tmp_path / "device", server.url("/m.zip"), installed=installed) as rig:
        rig.check()
        assert "older than" in rig.until("failed").reason
        assert "older than" in rig.check()["reason"]
        assert len(server.asked("/m.zip", "GET")) == 1
        assert rig.store.read_state().rejections == ()
        rig.restart(allow_downgrade=True)
        rig.check()
        rig.until("committed")
        assert rig.runs == "colours 0.9"


def test_unsuited_model_waits_until_it_suits(rig, server, tmp_path):
    """The owner allows a label that only the running model has, and then no longer."""
    publish_second(server, tmp_path)

    def does_not_suit():
        raise LabelOptionError("labeler.allow names violet, which colours 2.0 does not have.")

    rig.warming = does_not_suit
    rig.check()
    assert "violet" in rig.until("failed").reason
    for _ in range(2):
        assert "names violet" in rig.check()["reason"]
    assert len(server.asked("/model.tflite", "GET")) == 1 and rig.store.read_state().rejections == ()
    assert rig.states == ["available", "downloading", "verifying", "probing", "failed"]
    assert rig.runs == rig.would_run == "colours 1.0"
    rig.restart()
    rig.check()
    rig.until("failed", 2)
    with pytest.raises(UpdateError, match="violet"):
        rig.install()
    rig.warming = lambda: None
    assert rig.check()["taken"]
    rig.until("committed")
    assert rig.runs == "colours 2.0" and len(server.asked("/model.tflite", "GET")) == 1


BAD = {
    "crashes": (made_models.crashes, {}, "crashed the process"),
    "is not numbers": (made_models.not_numbers, {}, "not numbers"),
    "labels that do not fit": (made_models.good, {"labels": ("red", "green")}, "2 labels"),
    "a web page": (lambda: b"<!doctype html><title>Sign in</title>", {}, "web page"),
    "half a file": (lambda: made_models.good()[:700], {}, "damaged"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_model_is_refused_once(tmp_path, server, kind):
    from appliance.labeling.probe import probe

    make, more, reason = BAD[kind]
    installed = bundle_folder(tmp_path / "v1", version="1.0")
    publish(server, tmp_path / "bad", version="2.0", model=make(), **more)
    with Rig(tmp_path / "device", server.url("/manifest.json"), installed=installed, probe=probe) as rig:
        rig.check()
        assert reason in rig.until("refused").reason
        assert rig.runs == rig.would_run == "colours 1.0"
        rig.restart()
        fetched = len(server.asked("/model.tflite", "GET"))
        assert "was refused" in rig.check()["reason"]
        assert len(server.asked("/model.tflite", "GET")) == fetched


@pytest.mark.parametrize(
    ("make", "limits", "reason"),
    [
        (made_models.never_ends, {"time_s": 4.0}, "longer than"),
        (lambda: made_models.needs_memory(1_000_000_000), {}, "needs more memory"),
    ],
)
def test_model_that_hangs_or_needs_too_much_is_refused(tmp_path, server, make, limits, reason):
    from appliance.labeling.probe import Limits, probe

    publish(server, tmp_path / "bad", version="2.0", model=make())
    with Rig(
        tmp_path / "device", server.url("/manifest.json"), probe=lambda path: probe(path, Limits(**limits))
    ) as rig:
        rig.check()
        assert reason in rig.until("refused").reason
        assert rig.runs == "shipped 1.0"


def test_full_disk_stops_before_the_download(tmp_path):
    """The file system has less space than must be kept free."""
    said = run_on_small_disk(
        tmp_path,
        "8m",
        """
with ModelServer() as server:
    publish(server, Path("made"), version="2.0", model=made_models.good(2))
    with Rig(Path("device"), server.url("/manifest.json")) as rig:
        rig.check()
        print(rig.until("failed").reason, rig.runs, len(server.asked("/model.tflite", "GET")))
""",
    )
    assert "free disk space" in said and said.endswith("shipped 1.0 0")


@pytest.mark.parametrize(("announced", "most_bytes"), [(True, 1_000_000), (False, 12_000_000)])
def test_download_of_unknown_size_does_not_fill_the_disk(tmp_path, announced, most_bytes):
    """The manifest has a hash but no size; the server announces the size with the download, or not at all."""
    said = run_on_small_disk(
        tmp_path,
        "24m",
        f"""
with ModelServer() as server:
    publish(server, Path("made"), version="2.0", model=made_models.good(2))
    server.fault("/model.tflite", Longer(40_000_000, announced={announced}))
    with Rig(Path("device"), server.url("/manifest.json")) as rig:
        before = shutil.disk_usage(".").free
        least = [before]
        report_status = rig.report_status
        rig.report_status = lambda shown: (least.append(shutil.disk_usage(".").free), report_status(shown))
        rig.check()
        print(rig.until("failed").reason)
        print(before - min(least) < {most_bytes}, before - shutil.disk_usage(".").free < 1_000_000)
        print(rig.store.read_state().rejections)
""",
    )
    assert "free disk space" in said and said.endswith("True True\n()"), said


def test_partial_download_is_removed_from_a_full_disk(rig, server, tmp_path):
    """Another program used up the rest of the disk."""
    with pytest.raises(SourceError):
        rig.check()  # opens the source
    publish_second(server, tmp_path)

    def full(offer, folder, progress):
        (folder / "model.tflite.part").write_bytes(bytes(1000))
        raise OSError(28, "No space left on device", str(folder))

    source, fetch = rig.updater._source, rig.updater._source.fetch
    source.fetch = full
    rig.check()
    assert "No space left" in rig.until("failed", 2).reason
    assert not any((rig.state / "downloads").iterdir())
    source.fetch = fetch
    rig.check()
    rig.until("committed")


def test_resumed_download_counts_what_is_there(tmp_path):
    """The disk has space for the rest, but not for another full copy."""
    said = run_on_small_disk(
        tmp_path,
        "40m",
        """
with ModelServer() as server:
    publish(server, Path("made"), version="2.0", hashes=False)
    server.put("/model.tflite", bytes(7_000_000))
    faults = iter([Truncate(6_000_000), Status(503)])
    server.route("GET", "/model.tflite", lambda request: next(faults, None))
    with Rig(Path("device"), server.url("/manifest.json")) as rig:
        rig.check()
        print(rig.until("failed").reason)
        rig.check()
        print(rig.until("refused").reason)
        print([request.headers.get("range") for request in server.asked("/model.tflite", "GET")])
""",
    )
    assert "free disk space" not in said and said.endswith("[None, 'bytes=6000000-', 'bytes=6000000-']"), said


def test_candidate_that_crashes_twice_is_refused(rig, server, tmp_path):
    """A model ends the process during the warm-up: the process is gone, and the journal has the step."""
    from appliance.system.device_id import boot_id

    publish_second(server, tmp_path)
    rig.warming = lambda: (_ for _ in ()).throw(SystemExit)
    journal = rig.state / "update.json"
    rig.check()
    rig._thread.join(20)
    died = json.loads(journal.read_text())
    assert (died["entry"]["step"], died["entry"]["tries"], died["entry"]["boot"]) == ("warming", 1, boot_id())
    rig.start()
    rig.until("probing", 2)
    rig._thread.join(20)
    assert json.loads(journal.read_text())["entry"]["tries"] == 2
    rig.start()
    assert "2 times" in rig.until("refused").reason
    assert rig.runs == rig.would_run == "colours 1.0"


def test_orderly_stops_do_not_count_as_crashes(rig, server, tmp_path):
    publish_second(server, tmp_path)
    rig.stop()
    for number in range(3):
        reached, go_on = threading.Event(), threading.Event()
        rig.warming = lambda reached=reached, go_on=go_on: (reached.set(), go_on.wait(20))
        rig.start()
        if number == 0:  # afterward the update continues by itself
            rig.check()
        assert reached.wait(20)
        rig.updater.stop()
        go_on.set()
        rig.stop()
        assert rig.would_run == "colours 1.0"
    rig.warming = lambda: None
    rig.start()
    rig.until("committed")
    assert rig.runs == "colours 2.0" and "refused" not in rig.states


@pytest.mark.parametrize("back", ["a delivered one", "the bundled one"])
def test_link_offer_ignores_a_model_replaced_meanwhile(tmp_path, back):
    """The owner rolls back while the updater is about to record that the offer runs already."""
    (tmp_path / "state").mkdir()
    store = Store(tmp_path / "state", bundle_folder(tmp_path / "bundled", name="shipped"))

    def install(version):
        bundle = bundle_folder(tmp_path / version, name="x", version=version)
        return store.install(read_bundle(bundle), "a test")

    if back == "a delivered one":
        install("1.0")
    ran = install("2.0")
    gone_back_to = store.rollback("its owner went back")
    link_offer(store, Offer("offered", variant="b"), ran)
    assert store.read_state().current == gone_back_to
