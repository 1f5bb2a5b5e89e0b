"""Settings from a file and from variables, and the errors for invalid ones."""

from pathlib import Path

import pytest

from appliance.errors import SettingsError
from appliance.settings.load import load_settings, read_log_format
from support.paths import SHARED


def load(tmp_path, text, environ=None):
    path = tmp_path / "appliance.toml"
    path.write_text(text)
    return load_settings(path, environ or {})


def refuse(tmp_path, text, environ=None):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, environ)
    return str(caught.value)


def test_values_have_their_types(tmp_path):
    settings = load(
        tmp_path,
        '[camera]\nsource = "scene"\nfps = 3\nregion = [0, 0, 0.5, 1]\nsize = [640, 480]\n'
        '[labeler]\nallow = ["roses"]\n[labeler.thresholds]\nroses = 0.8\n',
    )
    assert settings.camera.fps == 3.0 and isinstance(settings.camera.fps, float)
    assert settings.camera.region == (0.0, 0.0, 0.5, 1.0)
    assert settings.camera.size == (640, 480)
    assert settings.labeler.allow == ("roses",)
    assert settings.labeler.thresholds == {"roses": 0.8}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[mqtt]\nport = 1883\nhots = "broker"', ["line 3", "mqtt.hots", "did you mean mqtt.host?"]),
        ("[cemara]\nfps = 3", ["line 1", "[cemara]", "did you mean camera?"]),
        ('[camera]\nfps = "fast"', ["line 2", "camera.fps must be a number", "'fast'"]),
        ("[camera]\nfps = true", ["camera.fps must be a number"]),
        ("[mqtt]\nport = 1883.5", ["mqtt.port must be a whole number"]),
        ("[camera]\nrotation = 45", ["camera.rotation", "0, 90, 180, 270"]),
        ("[labeler]\nthreshold = 1.5", ["line 2", "from 0 to 1"]),
        ("[labeler]\nthreshold = nan", ["labeler.threshold must be a number"]),
        ("[labeler.thresholds]\nroses = 2.0", ["from 0 to 1", "roses"]),
        ("[labeler]\nmax_results = 0", ["1 or more, or -1 for all"]),
        ('[labeler]\nallow = ["a"]\ndeny = ["b"]', ["line 3", "labeler.deny", "labeler.allow"]),
        ("[camera]\nregion = [0.5, 0, 0.6, 1]", ["camera.region", "inside the picture"]),
        ('[camera]\nregion = "round"', ["camera.region", "square"]),
        ('[device]\nid = "kitchen/1"', ["device.id", "MQTT topics"]),
        ('[device]\nid = "kitchen+"', ["device.id"]),
        ('[mqtt]\nbase_topic = "a/#"', ["mqtt.base_topic", "wildcards"]),
        ('[mqtt]\npassword_file = "x"', ["mqtt.password_file", "mqtt.username"]),
        ('[mqtt]\ncert_file = "x"', ["mqtt.cert_file", "mqtt.key_file"]),
        ('[camera]\nsource = "ftp://host/x"', ["camera.source", "ftp://"]),
        ('[update]\nurl = "http://models.example.org/m.zip"', ["line 2", "update.url", "https://"]),
        ('[update]\nurl = "models/m.zip"', ["update.url", "https://"]),
        ('[update]\nsource = "url"', ["line 2", "update.source", "update.url"]),
        ('[update]\nsource = "repository"\nurl = "https://a/b"', ["line 2", "update.source", "update.root"]),
        ('[update]\nsource = "firebase-ml"', ["update.firebase.project_id"]),
        ("[update]\ninterval_s = 0.5", ["update.interval_s", "only on command"]),
        ('[update]\nfirebase = "x"', ["line 2", "update.firebase must be a section"]),
        ("[update.firebase]\n\nremote_config = 1", ["line 3", "update.firebase.remote_config must be true or false"]),
        ('[update.firebase]\nmodel = "x"', ["line 2", "did you mean update.firebase.model_name?"]),
        ('[update]\nfirebase.model = "x"', ["line 2", "update.firebase.model"]),
        ('[mqtt]\nhost = "broker:1883"', ["line 2", "mqtt.host", "put the port in mqtt.port"]),
        ('[mqtt]\nhost = "[::1]:1883"', ["line 2", "mqtt.host", "put the port in mqtt.port"]),
        ("camera = 3", ["line 1", "section"]),
        ("fps = 3\n[camera]", ["line 1", "fps is not in a section", "such as [camera]"]),
        ("[camera\nfps = 3", [", line 1: not valid TOML (Expected", ", column 8); "]),
        ("[camera]\nsource = scene", [", line 2: not valid TOML (Invalid value", "quotes around a string"]),
        ("[camera]\nfps = 3\nfps = 4\n", [", line 3: not valid TOML", "only once"]),
        ("[camera]\n\n[camera]\n", [", line 3: not valid TOML", "only once"]),
        ('[camera]\nsource = """x', [", line 2: not valid TOML (Unterminated string)"]),
    ],
)
def test_invalid_setting_is_named_with_its_line(tmp_path, text, parts):
    sentence = refuse(tmp_path, text)
    for part in ["appliance.toml", *parts]:
        assert part in sentence


@pytest.mark.parametrize(
    "line",
    [
        '[update]\nurl = "https://me:s3cret@host/m.zip"',
        '[camera]\nsource = "rtsp://me:s3cret@host/1"',
        '[mqtt]\nhost = "mqtt://me:s3cret@host"',
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(tmp_path, line):
    sentence = refuse(tmp_path, line)
    assert "password_file" in sentence
    assert "s3cret" not in sentence


def test_variable_overrides_the_file(tmp_path):
    environ = {
        "APPLIANCE_MQTT__HOST": "other",
        "APPLIANCE_MQTT__PORT": "1884",
        "APPLIANCE_MQTT__PROTOCOL": "5",
        "APPLIANCE_MQTT__USERNAME": "1234",
        "APPLIANCE_LABELER__ALLOW": '["roses"]',
        "APPLIANCE_UPDATE__FIREBASE__APP_ID": "1:2:web:3",
        "APPLIANCE_UPDATE__FIREBASE__REMOTE_CONFIG": "true",
        "APPLIANCE_STATE_DIR": "/elsewhere",
    }
    settings = load(tmp_path, '[mqtt]\nhost = "broker"', environ)
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.protocol) == ("other", 1884, "5")
    assert settings.mqtt.username == "1234"
    assert settings.labeler.allow == ("roses",)
    assert (settings.update.firebase.app_id, settings.update.firebase.remote_config) == ("1:2:web:3", True)


@pytest.mark.parametrize("host", ["broker.local", "192.168.1.5", "::1", "fe80::1%eth0"])
def test_host_name_or_address_of_a_broker_is_accepted(tmp_path, host):
    assert load(tmp_path, f'[mqtt]\nhost = "{host}"').mqtt.host == host


def test_plain_http_is_accepted_for_this_machine_only(tmp_path):
    for host in ("127.0.0.1:8000", "localhost", "[::1]:80"):
        assert load(tmp_path, f'[update]\nurl = "http://{host}/m.zip"').update.url
    for host in ("127.0.0.1.example.org", "localhost.example.org", "10.0.0.1"):
        assert "https://" in refuse(tmp_path, f'[update]\nurl = "http://{host}/m.zip"')


@pytest.mark.parametrize(
    "variable",
    ["APPLIANCE_UPDATE__FIREBASE__MODEL", "APPLIANCE_MQTT__PROT", "APPLIANCE_MQT__PORT", "APPLIANCE_MQTT__PORT"],
)
def test_invalid_variable_is_named(tmp_path, variable):
    assert variable in refuse(tmp_path, "", {variable: "abc"})


@pytest.mark.parametrize(
    ("text", "variable", "says"),
    [
        ("mqtt = 5", "APPLIANCE_MQTT__HOST", "mqtt must be a section"),
        ("[labeler]\nthresholds = 5", "APPLIANCE_LABELER__THRESHOLDS__ROSES", "labeler.thresholds must be a table"),
        ("[update]\nfirebase = 5", "APPLIANCE_UPDATE__FIREBASE__APP_ID", "update.firebase must be a section"),
    ],
)
def test_variable_below_an_invalid_section_hides_no_error(tmp_path, text, variable, says):
    assert says in refuse(tmp_path, text, {variable: "0.5"})


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.toml.*--config"):
        load_settings(tmp_path / "nowhere.toml", {})


def test_empty_range_of_scores_is_an_error(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("[collect]\nscore_min = 0.8\nscore_max = 0.7\n")
    with pytest.raises(SettingsError, match=r"line 2: collect\.score_min.*collect\.score_max.*0\.7"):
        load_settings(path, {})
    path.write_text("[collect]\nscore_min = 0.8\nscore_max = 0\n")
    assert load_settings(path, {}).collect.score_max == 0


NINES, BRACKETS = "9" * 5000, "[" * 3000


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"[camera]\nfps = {NINES}", 2),
        (f"[camera]\n\nfps = -{NINES}\n[mqtt]\nport = 1\n", 3),
        (f"[camera]\nfps = 0x{'f' * 5000}", 2),
        (f"[camera]\nfps = {NINES}.0", 2),
        ("[camera]\nfps = 1e999", 2),
        ("[camera]\nfps = inf", 2),
        ("[mqtt]\nport = 18446744073709551616", 2),
        (f"[mqtt]\nport = 0x{'f' * 5000}", 2),
        (f"[labeler]\nallow = {BRACKETS}{']' * 3000}\n[mqtt]\n", 2),
        (f"[labeler]\nallow = {BRACKETS}\n[mqtt]\n", 2),
        (f"[labeler]\nthreshold = {'{a=' * 3000}1{'}' * 3000}", 2),
        (f"[labeler]\nthreshold{'.a' * 3000} = 1", 2),
        ('# a comment\n[labeler]\nmodel = """\n[mqtt]\nhost = "x"\n', 3),
        ('[labeler]\nallow = [\n"a",\n[mqtt]\nhost = "x"\n', 4),
        ("[labeler]\nmodel =", 2),
        ("[mqtt", 1),
        ("[mqtt]\nport = 1\nport = 2", 3),
        ('[device]\nname = "a\\u0000b"', 2),
        ('[labeler]\nmodel = "/a\\u0000b"', 2),
        ('[mqtt]\nca_file = "/a\\u0000b"', 2),
    ],
)
def test_extreme_or_unfinished_value_is_one_sentence_with_its_line(tmp_path, text, line):
    sentence = refuse(tmp_path, text)
    assert f"appliance.toml, line {line}: " in sentence
    assert len(sentence) < 600 and sentence.isprintable()


@pytest.mark.parametrize("name", ["digits", "bad-noline-1"])
def test_files_that_failed_in_the_field_are_refused_with_a_line(name):
    path = SHARED / "faults/settings" / f"{name}.toml"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    with pytest.raises(SettingsError, match=rf"{name}.toml, line \d+: not valid TOML"):
        load_settings(path, {})


@pytest.mark.parametrize("value", [NINES, BRACKETS, BRACKETS + "]" * 3000, "0x" + "f" * 5000, "{a=" * 3000, "1e999"])
@pytest.mark.parametrize("variable", ["MQTT__PORT", "CAMERA__FPS", "LABELER__ALLOW", "LABELER__THRESHOLDS__A"])
def test_extreme_value_of_a_variable_is_one_sentence(tmp_path, variable, value):
    sentence = refuse(tmp_path, "", {f"APPLIANCE_{variable}": value})
    assert variable in sentence and len(sentence) < 500


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"[device]\n\nname = '\xff'\n")
    with pytest.raises(SettingsError, match="line 3: not UTF-8"):
        load_settings(tmp_path / "a.toml", {})
    with pytest.raises(SettingsError, match="control characters"):
        load_settings(None, {"APPLIANCE_MQTT__HOST": "a\udcff"})


def test_endless_file_is_refused():
    with pytest.raises(SettingsError, match="/dev/zero is larger than 1 MB"):
        load_settings(Path("/dev/zero"), {})


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("APPLIANCE_MQTT_HOST", "APPLIANCE_MQTT__HOST"),
        ("APPLIANCE__MQTT_HOST", "APPLIANCE_MQTT__HOST"),
        ("APPLIANCE_UPDATE_FIREBASE_APP_ID", "APPLIANCE_UPDATE__FIREBASE__APP_ID"),
        ("APPLIANCE_MQTT_HOTS", "APPLIANCE_MQTT__HOST"),
        ("APPLIANCE_CAMERA_SOURCE", "APPLIANCE_CAMERA__SOURCE"),
        ("appliance_mqtt__host", "APPLIANCE_MQTT__HOST"),
        ("APPLIANCE_MQTT_WHATEVER", "APPLIANCE_SECTION__KEY"),
        ("APPLIANCE__HOST__", None),
    ],
)
def test_misspelled_variable_is_refused_with_the_right_one(tmp_path, variable, meant, caplog):
    if meant is None:
        load(tmp_path, "", {variable: "x"})
        assert variable in caplog.text
        return
    sentence = refuse(tmp_path, "", {variable: "x"})
    assert variable in sentence and meant in sentence


def test_variables_of_the_program_are_no_settings(tmp_path, caplog):
    load(tmp_path, "", {"APPLIANCE_STATE_DIR": "/x", "APPLIANCE_MEMORY_LIMIT": "1", "APPLIANCE_TEST_DATA": "x"})
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("text", "environ", "form"),
    [
        ('[log]\nformat = "json"\n[camera]\nsorce = 1', {}, "json"),
        ("[log]\nformat = 'json'\n[camera", {}, "json"),
        ('log.format = "json"', {}, "json"),
        ('[log]\nformat = "text"', {}, "text"),
        ('# format = "json"', {}, "text"),
        ('[log]\nformat = "json"', {"APPLIANCE_LOG__FORMAT": "text"}, "text"),
        ("", {"APPLIANCE_LOG__FORMAT": "json"}, "json"),
    ],
)
def test_form_of_the_log_is_known_before_the_settings_are_valid(tmp_path, text, environ, form):
    (tmp_path / "a.toml").write_text(text)
    assert read_log_format(tmp_path / "a.toml", environ) == form
    assert read_log_format(tmp_path / "gone.toml", {}) == "text"
