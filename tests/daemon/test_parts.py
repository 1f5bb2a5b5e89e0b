"""Test how the parts are connected, without starting them."""

from dataclasses import replace
from importlib.util import find_spec

import pytest

from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.parts import keeps_history, keeps_pictures, make_history, make_probe
from appliance.daemon.service import Service
from appliance.errors import RuntimeMissingError, SettingsError
from appliance.settings.schema import CameraSettings, HistorySettings, LabelerSettings, Settings, WebSettings
from support.paths import FLOWERS

SETTINGS = Settings(camera=CameraSettings(source="scene"))


@pytest.mark.skipif(find_spec("tflite_runtime") is not None, reason="the runtime that must be missing is installed")
def test_candidate_is_probed_with_the_runtime_of_reloaded_settings():
    """labeler.runtime takes effect on reload; a runtime that never probed a model must not run it in this process."""
    live = LiveSettings(SETTINGS)
    probe_bundle = make_probe(live)
    live.replace(replace(SETTINGS, labeler=replace(SETTINGS.labeler, runtime="tflite-runtime")))
    with pytest.raises(RuntimeMissingError, match="tflite-runtime"):
        probe_bundle(FLOWERS)


def test_settings_with_an_unknown_label_name_the_section(tmp_path):
    (tmp_path / "state").mkdir()
    with pytest.raises(SettingsError, match=r"section \[labeler\].*rosses"):
        Service(replace(SETTINGS, labeler=LabelerSettings(allow=("rosses",))), tmp_path / "state", tmp_path)


@pytest.mark.parametrize(
    ("web", "enabled", "is_kept"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_history_is_kept_when_it_or_the_page_is_on(web, enabled, is_kept, tmp_path):
    settings = Settings(web=WebSettings(enabled=web), history=HistorySettings(enabled=enabled))
    assert keeps_history(settings) is is_kept
    assert (make_history(settings, tmp_path) is not None) is is_kept
    assert keeps_pictures(settings) is is_kept
