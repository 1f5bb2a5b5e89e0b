"""Test updates of the whole program: a daemon with drawn scenes, a real broker, and a static web server for models."""

import json
import threading
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.repository.channel import Channel, ChannelEntry, channel_path, encode_channel
from appliance.updates.store.store import Store
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.signed_site import DEFAULT_LIFETIME, SignedSite
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder, zipped
from support.daemon import Daemon, payloads, run_command, settings
from support.model_server import ModelServer, Stall
from support.paths import FLOWERS
from support.rig import publish

FPS = 20
# Every label counts as seen in every frame: events are open all the time, as none of the scenes' flowers is known here.
ALL_SEEN = {"confidenceThreshold": 0.0}


@pytest.fixture
def server():
    with ModelServer() as server:
        yield server


@pytest.fixture
def start(tmp_path, server, broker):
    """Return a function that starts a daemon, which runs `colours 1.0` and checks the server each second."""
    started = []

    def start(**update):
        folder = tmp_path / f"daemon-{len(started)}"
        (folder / "state").mkdir(parents=True)
        first = bundle_folder(folder / "first", version="1.0", model=made_models.good(1), **ALL_SEEN)
        Store(folder / "state", FLOWERS).install(read_bundle(first), "a test")
        values = {"source": "url", "url": server.url("/manifest.json"), "interval_s": 1, "probation_s": 1, **update}
        more = "[update]\n" + "".join(
            f"{key} = {json.dumps(value)}\n" for key, value in values.items() if value is not None
        )
        started.append(Daemon(folder, settings(broker, "scene", fps=FPS, more=more)))
        return started[-1]

    yield start
    for daemon in started:
        daemon.kill()


@pytest.fixture
def static_site(tmp_path):
    """Return a folder, and the address at which Python's own web server serves it."""
    site = tmp_path / "operator" / "site"
    site.mkdir(parents=True)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield site, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Watcher:
    """What a subscriber of the broker sees."""

    def __init__(self, seen):
        self._seen = seen

    def steps(self):
        return payloads(self._seen.payloads("appliance/t/update"))

    def until(self, state, version=None):
        """Wait for a step with this state (and version), and return the first one."""

        def found():
            return [step for step in self.steps() if step["state"] == state and version in (None, step["version"])]

        wait_until(found, f"{state} {version or ''} among the steps", 60)
        return found()[0]

    def events(self):
        return payloads(self._seen.payloads("appliance/t/event"))

    def model(self):
        return json.loads(self._seen.last("appliance/t/model") or b"{}")

    def command(self, topic, payload=""):
        """Send a command and return its answer."""
        answers = self._seen.count("appliance/t/response/me")
        self._seen.publish(f"appliance/t/{topic}", payload, response_topic="appliance/t/response/me", correlation=b"1")
        return json.loads(self._seen.wait_for("appliance/t/response/me", count=answers + 1, deadline_s=60)[-1].payload)


@pytest.fixture
def watcher(broker):
    with broker.observer("appliance/#") as seen:
        yield Watcher(seen)


def test_url_source_updates_past_broken_and_slow_models(tmp_path, server, start, watcher):
    daemon = start(max_latency_ms=3)
    wait_until(watcher.events, "an event of version 1")
    publish(
        server, tmp_path / "v2", version="2.0", model=made_models.good(2), labels=("rot", "green", "blue"), **ALL_SEEN
    )
    assert watcher.until("committed")["version"] == "2.0"
    wait_until(lambda: watcher.model()["in_progress"] is False, "the update to end")
    assert watcher.model() | {"title": ""} == {
        "installed_version": "2.0", "latest_version": "2.0", "title": "", "in_progress": False,
        "update_percentage": None, "release_summary": "committed: input 0..255 (from the model's quantization)",
    }  # fmt: skip
    wait_until(lambda: watcher.events()[-1]["model"]["version"] == "2.0", "an event of version 2")
    ended = [event for event in watcher.events() if event["type"] == "ended"]
    assert {event.get("reason") for event in ended} == {"swap"} and {event["model"]["version"] for event in ended} == {
        "1.0"
    }
    assert {event["label"] for event in ended} == set(made_models.LABELS)

    publish(server, tmp_path / "v3", version="3.0", model=made_models.not_numbers())
    assert "not numbers" in watcher.until("refused", "3.0")["reason"]
    publish(server, tmp_path / "v4", version="4.0", model=made_models.needs_memory(9_000_000), **ALL_SEEN)
    assert "too slow" in watcher.until("rolled_back", "4.0")["reason"]
    wait_until(lambda: watcher.model()["installed_version"] == "2.0", "version 2 runs again")
    assert [step["state"] for step in watcher.steps() if step["version"] == "4.0"] == [
        "available", "downloading", "verifying", "probing", "swapped", "probation", "rolled_back",
    ]  # fmt: skip

    listed = json.loads(daemon.run("model", "list", "--json").stdout)
    assert listed[0]["version"] == "2.0"
    assert "4.0 was refused" in daemon.run("model", "check").stdout
    assert (
        "nothing newer: 4.0 was refused"
        in daemon.run("check", "--config", str(tmp_path / "daemon-0/appliance.toml")).stdout
    )
    assert "back to colours 1.0" in daemon.run("model", "rollback").stdout
    assert "owner" in watcher.until("rolled_back", "2.0")["reason"]
    wait_until(lambda: watcher.model()["installed_version"] == "1.0", "version 1 runs")


@pytest.mark.slow
def test_repository_updates_past_broken_and_slow_models(tmp_path, static_site, start, watcher):
    """The operator publishes from another process and folder, and a minimal web server serves the site."""
    site, url = static_site
    keys = tmp_path / "operator" / "keys"
    operator = ("--site", str(site), "--keys", str(keys))

    def operate(action, *words):
        done = run_command("publish", action, *map(str, words), *operator)
        assert done.returncode == 0, done.stderr

    def bundle(version, model, **more):
        return bundle_folder(tmp_path / "operator" / version, version=version, model=model, **ALL_SEEN, **more)

    operate("init")
    operate("push", bundle("1.0", made_models.good(1)))
    start(source="repository", url=url, root=str(keys / "root.json"), max_latency_ms=3)
    assert "already installed" in watcher.until("committed", "1.0")["reason"]
    operate("push", bundle("2.0", made_models.good(2), labels=("rot", "green", "blue")))
    watcher.until("committed", "2.0")
    wait_until(lambda: watcher.events()[-1]["model"]["version"] == "2.0", "an event of version 2")

    # Publishing tests a model, so a broken one comes from someone who has the keys and skips the test.
    broken = zipped(bundle("3.0", made_models.not_numbers()))
    with SignedSite(site) as signed:
        signed.put("bundles/colours-3.0.zip", broken, {"name": "colours", "version": "3.0"})
        signed.put(
            channel_path("stable"), encode_channel(Channel("f00d", (ChannelEntry("bundles/colours-3.0.zip", "3.0"),)))
        )
        signed.publish(KeyFolder(keys), datetime.now(UTC), DEFAULT_LIFETIME)
    assert "not numbers" in watcher.until("refused", "3.0")["reason"]
    operate("push", bundle("4.0", made_models.needs_memory(9_000_000)))
    assert "too slow" in watcher.until("rolled_back", "4.0")["reason"]
    wait_until(lambda: watcher.model()["installed_version"] == "2.0", "version 2 runs again")

    operate("rollback", "--version", "1.0")
    wait_until(lambda: watcher.model()["installed_version"] == "1.0", "version 1 runs", 60)
    wait_until(lambda: watcher.events()[-1]["model"]["version"] == "1.0", "an event of version 1")
    assert [step["version"] for step in watcher.steps() if step["state"] == "swapped"] == ["2.0", "4.0", "1.0"]


def test_ask_waits_for_home_assistants_button(tmp_path, server, start, watcher):
    start(install="ask")
    publish(server, tmp_path / "v2", version="2.0", model=made_models.good(2), **ALL_SEEN)
    assert watcher.until("available")["version"] == "2.0"
    wait_until(lambda: watcher.model()["latest_version"] == "2.0", "the newer one is shown")
    assert watcher.model()["installed_version"] == "1.0" and not watcher.model()["in_progress"]
    assert watcher.command("model/install", "2.0") == {"ok": True}
    watcher.until("committed")
    assert [step["state"] for step in watcher.steps()].count("available") == 1


def test_daemon_that_crashes_twice_rolls_back(tmp_path, server, start, watcher):
    daemon = start(probation_s=600)
    publish(server, tmp_path / "v2", version="2.0", model=made_models.good(2), **ALL_SEEN)
    watcher.until("probation")
    for starts in (1, 2):
        daemon.kill()
        daemon.start()
        daemon.wait_for_log("camera: streaming", starts + 1)
    step = watcher.until("rolled_back")
    assert step["version"] == "2.0" and "did not survive 2 starts in a row" in step["reason"]
    wait_until(lambda: watcher.model()["installed_version"] == "1.0", "version 1 runs")
    assert "was refused" in daemon.run("model", "check").stdout


def test_kill_during_a_download_only_delays(tmp_path, server, start, watcher):
    daemon = start()
    publish(server, tmp_path / "v2", version="2.0", model=made_models.good(2), **ALL_SEEN)
    server.fault("/model.tflite", Stall(700), times=1)
    watcher.until("downloading")
    wait_until(lambda: list((tmp_path / "daemon-0/state/downloads").rglob("*.part")), "a part of the model is here")
    daemon.kill()
    daemon.start()
    watcher.until("committed")
    assert server.asked("/model.tflite")[-1].headers.get("range") == "bytes=700-"


def test_a_stop_does_not_wait_for_a_server(tmp_path, server, start, watcher):
    daemon = start()
    publish(server, tmp_path / "v2", version="2.0", model=made_models.good(2), **ALL_SEEN)
    server.fault("/model.tflite", Stall(700))
    watcher.until("downloading")
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.count_lines("did not survive") == 0


def test_orders_are_answered_by_what_became_of_them(tmp_path, server, start, watcher):
    daemon = start(interval_s=0)
    daemon.wait_for_log("camera: streaming")
    answer = watcher.command("model/check")
    assert not answer["ok"] and "not found" in answer["error"]
    publish(server, tmp_path / "v2", version="2.0", model=made_models.good(2), **ALL_SEEN)
    assert watcher.command("model/install", "3.0")["error"] == "the source offers 2.0, not 3.0"
    assert watcher.command("model/install", "latest") == {"ok": True}
    assert watcher.model()["installed_version"] == "2.0"
    watcher.until("committed")
    assert watcher.command("model/check") == {"ok": True}
    assert watcher.command("model/rollback") == {"ok": True}
    assert watcher.steps()[-1]["state"] in ("rolled_back", "committed")
    wait_until(lambda: watcher.model()["installed_version"] == "1.0", "version 1 runs")


@pytest.mark.slow
def test_check_says_how_the_source_is_doing(tmp_path, server, start, watcher):
    def found():
        done = daemon.run("check", "--config", str(tmp_path / "daemon-0/appliance.toml"), "--json")
        return next(finding for finding in json.loads(done.stdout) if finding["part"] == "update source")

    daemon = start(install="ask")
    watcher.until("failed")
    assert not found()["ok"] and "not found" in found()["says"]
    publish(server, tmp_path / "v2", version="2.0", model=made_models.good(2), **ALL_SEEN)
    watcher.until("available")
    wait_until(lambda: "2.0 is offered" in found()["says"], "the newer one is named")
    daemon.stop()
    assert found() == {"part": "update source", "ok": True, "says": f"{server.url('/manifest.json')} offers 2.0"}
    told = daemon.run("model", "check", "--config", str(tmp_path / "daemon-0/appliance.toml"))
    assert "offers 2.0; no daemon is running" in told.stdout


def test_a_model_that_the_settings_name_is_not_replaced(tmp_path, server, broker, watcher):
    publish(server, tmp_path / "v2", version="2.0", model=made_models.good(2))
    named = bundle_folder(tmp_path / "named", version="1.0")
    more = f'[update]\nsource = "url"\nurl = "{server.url("/manifest.json")}"\ninterval_s = 1\n'
    with Daemon(tmp_path / "d", settings(broker, "scene", model=named, more=more)) as daemon:
        daemon.wait_for_log("labeler.model names the model")
        daemon.wait_for_log("camera: streaming")
        assert "labeler.model" in watcher.command("model/check")["error"]
        assert server.requests == [] and watcher.steps() == []


def test_without_a_source_the_owner_is_told(start, watcher):
    daemon = start(source="none", url=None)
    daemon.wait_for_log("camera: streaming")
    for command in ("model/check", "model/install"):
        answer = watcher.command(command, "latest" if "install" in command else "")
        assert not answer["ok"] and "no update source" in answer["error"]
    assert "no update source" in daemon.run("model", "check").stderr
