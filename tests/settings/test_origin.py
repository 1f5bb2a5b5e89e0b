"""The line or the variable that a setting comes from."""

from pathlib import Path

import pytest

from appliance.settings.origin import SettingOrigin

TEXT = """\
mqtt.host = "broker"
[camera]
fps = 3
"size" = [640, 480]

[labeler.thresholds]
roses = 0.8
[update]
channel = "x"
[update.firebase]
'model_name' = "x"
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("camera", 2),
        ("camera.fps", 3),
        ("camera.size", 4),
        ("camera.missing", 2),
        ("mqtt.host", 1),
        ("labeler.thresholds", 6),
        ("update.channel", 9),
        ("update.firebase.model_name", 11),
        ("update.firebase", 10),
    ],
)
def test_line_of_a_setting_is_found(name, line):
    assert SettingOrigin(Path("a.toml"), TEXT).locate(name) == f"a.toml, line {line}"


def test_dotted_key_of_a_nested_section_is_found():
    origin = SettingOrigin(Path("a.toml"), '[update]\nurl = "x"\nfirebase.app_id = "1"\n')
    assert origin.locate("update.firebase.app_id") == "a.toml, line 3"


def test_setting_that_is_nowhere_has_the_file_alone():
    assert SettingOrigin(Path("a.toml"), "").locate("log.level") == "a.toml"
    assert SettingOrigin(None, "").locate("log.level") == "settings"


def test_variable_comes_before_the_file():
    origin = SettingOrigin(Path("a.toml"), TEXT)
    origin.variables["camera.fps"] = "APPLIANCE_CAMERA__FPS"
    assert origin.locate("camera.fps") == "APPLIANCE_CAMERA__FPS"
    assert origin.locate("camera") == "APPLIANCE_CAMERA__FPS"
    assert origin.locate("camera.size") == "a.toml, line 4"
