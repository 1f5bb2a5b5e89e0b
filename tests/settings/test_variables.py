"""Variables override values of the file; test_load.py has misspelled ones."""

from pathlib import Path

from appliance.settings.origin import SettingOrigin
from appliance.settings.variables import apply_variables


def test_variable_replaces_a_value_and_its_origin_is_known():
    tables = {"mqtt": {"host": "a", "port": 1}}
    origin = SettingOrigin(Path("a.toml"), "")
    apply_variables(tables, {"APPLIANCE_MQTT__HOST": "b", "OTHER_MQTT__PORT": "2", "HOME": "/x"}, origin)
    assert tables == {"mqtt": {"host": "b", "port": 1}}
    assert origin.locate("mqtt.host") == "APPLIANCE_MQTT__HOST"


def test_labels_and_nested_sections_are_set():
    tables = {}
    environ = {"APPLIANCE_LABELER__THRESHOLDS__Rose": "0.5", "APPLIANCE_UPDATE__FIREBASE__APP_ID": "1"}
    apply_variables(tables, environ, SettingOrigin(None, ""))
    assert tables == {"labeler": {"thresholds": {"Rose": 0.5}}, "update": {"firebase": {"app_id": "1"}}}
