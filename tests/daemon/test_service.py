"""What the composition root ties together, looked at without starting it."""

from dataclasses import replace
from importlib.util import find_spec

import pytest

from appliance.daemon.active_model import BUNDLED
from appliance.daemon.service import Service
from appliance.errors import RuntimeMissingError
from appliance.settings.schema import CameraSettings, Settings


@pytest.mark.skipif(find_spec("tflite_runtime") is not None, reason="the runtime that is to be missing is here")
def test_a_candidate_is_tried_with_the_runtime_that_the_settings_name_by_now(tmp_path):
    """labeler.runtime takes effect while the program runs; a runtime that never tried a model must not meet it in here."""
    (tmp_path / "state").mkdir()
    service = Service(Settings(camera=CameraSettings(source="scene")), tmp_path / "state", tmp_path)
    try:
        service.settings = replace(
            service.settings, labeler=replace(service.settings.labeler, runtime="tflite-runtime")
        )
        with pytest.raises(RuntimeMissingError, match="tflite-runtime"):
            service.updater._probe(BUNDLED)
    finally:
        service.stop()
