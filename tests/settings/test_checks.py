"""Validators of single settings, each with a valid and an invalid value."""

import pytest

from appliance.settings import checks


@pytest.mark.parametrize(
    ("check", "valid", "invalid", "fault"),
    [
        (checks.check_range(1, 5, " s"), [1, 5], [0.9, 5.1], "from 1 to 5 s"),
        (checks.check_minimum(2), [2, 1e9], [1.9], "2 or more"),
        (checks.check_listen, [("127.0.0.1:80",), ("0.0.0.0:1", "[::]:65535")], [(), ("host:80",), ("x",)], "address"),
        (checks.check_listen, [("[::1]:80",)], [("1.2.3.4:0",), ("[::]:99999",), ("1.2.3.4:١",)], "port"),
        (checks.check_listen, [("[::1]:80",)], [("::1:80",), ("[1.2.3.4]:80",)], "brackets"),
        (checks.check_public_url, ["https://a.example", "http://a:81/"], ["https://u:p@a", "http://a/b"], "only a"),
        (checks.check_public_url, ["https://[::1]:1"], ["ftp://a", "https://"], "https://"),
        (checks.check_device_id, ["pi-1_a", "a" * 32], ["", "Pi", "a/b", "a" * 33], "MQTT topics"),
        (checks.check_camera_source, ["pi", "/dev/video0", "rtsp://host/1"], ["ftp://host/x"], "unknown scheme"),
        (checks.check_camera_source, ["https://host"], ["rtsp://me:pw@host"], "camera.password_file"),
        (checks.check_camera_source, ["scene"], ["http:///x"], "host name"),
        (checks.check_camera_source, ["rtsp://[::1]/1"], ["rtsp://[::1/1"], "not a valid address"),
        (
            checks.check_region,
            [(0, 0, 1, 1), (0.1, 0.2, 0.9, 0.8), "square"],
            [(0, 0, 0, 1), (0.5, 0, 0.6, 1)],
            "inside",
        ),
        (checks.check_size, [(16, 8192)], [(15, 100), (100, 8193)], "16 to 8192"),
        (checks.check_max_results, [-1, 1], [0, -2], "-1 for all"),
        (checks.check_thresholds, [{}, {"a": 1.0}], [{"a": 0.5, "b": 1.1}], "see b"),
        (checks.check_broker_host, ["::1", "broker"], ["broker:1883", "[::1]:1"], "mqtt.port"),
        (checks.check_topic, ["a", "a/b"], ["", "a/#", "+", "/a", "a/", "$SYS"], "wildcards"),
        (checks.check_model_url, ["https://a/b", "http://127.0.0.1:8000"], ["http://a/b"], "only for this machine"),
        (checks.check_model_url, ["https://a"], ["https://me:pw@a/b"], "credentials"),
        (checks.check_update_url, ["http://192.168.1.5/m", "http://nas.lan"], ["http://8.8.8.8/m"], "https://"),
        (
            checks.check_window,
            ["02:00-05:00", "22:30-00:00"],
            ["2:00-5:00", "24:00-01:00", "01:00-01:00", "x"],
            "times",
        ),
        (checks.check_model_url, ["https://a:1"], ["https://a:x", "http://[::1"], "not a valid address"),
        (checks.check_model_url, ["https://a:1"], ["models/m.zip", "file:///x"], "https://"),
        (checks.check_plain_name, ["stable", "Beta-2.1"], ["", "a b", "-x"], "1 to 64"),
        (checks.check_sha1, ["0aF" + "1" * 37], ["1" * 39, "g" * 40], "40 hex digits"),
        (checks.check_interval, [0, 1, 2678400], [0.5, 2678401], "31 days"),
    ],
)
def test_valid_value_passes_and_invalid_one_has_a_reason(check, valid, invalid, fault):
    assert [check(value) for value in valid] == [None] * len(valid)
    for value in invalid:
        assert fault in check(value)
