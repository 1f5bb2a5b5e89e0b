"""Test settings that are reloaded while the device labels."""

import pytest

from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.reloading import PictureParts, SettingsReloader
from appliance.settings.load import load_settings
from support.broker import wait_until


class Calls:
    """Replaces capture, opener, updater and systemd; records the calls."""

    def __init__(self):
        self.made = []

    def open(self):
        self.made.append(("open",))

    def use_camera(self, open_camera, fps):
        self.made.append(("camera", fps))

    def set_fps(self, fps):
        self.made.append(("updater fps", fps))

    def set_interval(self, interval_s):
        self.made.append(("interval", interval_s))

    def limit_labels(self, labels_per_s):
        self.made.append(("labels", labels_per_s))

    def apply_settings(self):
        self.made.append(("switches",))

    def use(self, collect, folder, view):
        self.made.append(("collect", collect.max_bytes, folder.name, view.region))

    def notify_store_changed(self):
        self.made.append(("store",))

    def notify_reloading(self):
        self.made.append(("reloading",))

    def notify_ready(self, status):
        self.made.append(("ready", status))


@pytest.fixture
def reload(make_device, tmp_path):
    """Return a function that writes settings, reloads them, and returns (device, live settings, calls)."""
    file = tmp_path / "appliance.toml"
    file.write_text("")
    device, calls, live = make_device(), Calls(), LiveSettings(load_settings(file))
    pictures = PictureParts(calls, calls, calls, tmp_path / "collected")
    reloader = SettingsReloader(live, device.switch, device.active, calls, calls, calls, pictures, calls)

    def reload_settings(text):
        file.write_text(text)
        reloader.reload()
        return device, live, calls.made

    return reload_settings


def test_threshold_takes_effect_without_touching_the_camera(reload):
    device, live, calls = reload("[labeler]\nthreshold = 0.42\n")
    wait_until(lambda: device.threshold == pytest.approx(0.42), "the new threshold")
    assert live.settings.labeler.threshold == 0.42
    assert [call[0] for call in calls] == ["reloading", "ready"]
    assert "two" in calls[-1][1]


def test_camera_section_reopens_the_camera_and_tells_the_updater(reload):
    _, live, calls = reload("[camera]\nfps = 3\nregion = [0.0, 0.0, 0.5, 0.5]\n")
    assert live.view.region == (0.0, 0.0, 0.5, 0.5)
    assert calls[1:4] == [("camera", 3.0), ("updater fps", 3.0), ("store",)]


def test_what_is_published_changes_at_once(reload):
    _, live, calls = reload("[mqtt]\nlabels_per_s = 7\nsnapshots = true\nkeepalive_s = 61\n")
    assert calls[1:-1] == [("labels", 7.0), ("switches",)]
    assert live.settings.mqtt.snapshots and live.settings.mqtt.keepalive_s != 61


def test_interval_of_updates_changes_at_once(reload):
    _, _, calls = reload("[update]\ninterval_s = 77\n")
    assert calls[1:-1] == [("interval", 77.0)]


def test_collecting_changes_at_once(reload, tmp_path):
    text = "[collect]\nenabled = true\nmax_bytes = 2000000\n"
    _, live, calls = reload(text)
    assert calls[1:-1] == [("collect", 2_000_000, "collected", None), ("switches",)]
    assert live.settings.collect.enabled
    calls.clear()
    reload(f'{text}dir = "{tmp_path}/other"\n')
    assert calls[1] == ("collect", 2_000_000, "other", None)


def test_collected_pictures_follow_a_new_region(reload):
    _, _, calls = reload("[camera]\nregion = [0.0, 0.0, 0.5, 0.5]\n")
    assert ("collect", 500_000_000, "collected", (0.0, 0.0, 0.5, 0.5)) in calls


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[labeler]\nthreshold = 42\n", "threshold"),
        ('[labeler]\nallow = ["rosses"]\n', "rosses"),
        ("[", "valid TOML"),
        ('[camera]\nsource = "rtsp://[::1"\n', "not a valid address"),
    ],
)
def test_invalid_settings_keep_the_previous_ones(reload, text, reason, caplog):
    device, live, calls = reload(text)
    assert (live.settings.labeler.threshold, device.labeling) == (None, "two")
    assert [call[0] for call in calls] == ["reloading", "ready"]
    assert "invalid" in calls[-1][1]
    assert "keeping the previous settings" in caplog.text
    assert reason in caplog.text


def test_keys_that_need_a_restart_are_named_each_time(reload, caplog):
    text = "[mqtt]\nkeepalive_s = 61\n"
    reload(text)
    _, live, _ = reload(text)
    assert live.settings.mqtt.keepalive_s != 61
    assert caplog.text.count("these take effect after a restart: mqtt.keepalive_s") == 2
