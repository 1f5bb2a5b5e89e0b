"""Check, statistics, log, settings, and the manual."""

import logging


def test_check_names_parts_with_their_state(admin):
    lines = {line["part"]: line for line in admin.get("/api/device/check").json}
    assert lines["camera"]["ok"] and not lines["broker"]["ok"] and "mqtt.host" in lines["broker"]["says"]


def test_log_is_redacted_and_bounded(admin):
    logging.getLogger("appliance.camera").warning("cannot open rtsp://me:secret@host/\x1b[31m\n%s", "x" * 5000)
    text = admin.get("/api/device/log").body.decode()
    assert "secret" not in text and "\\u001b" not in text and "cannot open rtsp://…@host" in text
    assert len(admin.get("/api/device/log?limit=1").json) == 1
    assert admin.get("/api/device/log?limit=201").status == 422


def test_settings_have_value_default_source_and_description(admin):
    settings = {item["key"]: item for item in admin.get("/api/device/settings").json}
    assert settings["camera.source"]["value"] == "scene" and settings["camera.source"]["default"] == "auto"
    assert settings["log.level"]["source"] == "default" and settings["log.level"]["description"]


def test_manual_is_html_without_comments(admin):
    topics = {topic["topic"]: topic for topic in admin.get("/api/help").json}
    assert topics["mqtt"]["title"] and topics["mqtt"]["summary"]
    text = admin.get("/api/help/mqtt").json
    assert "<table>" in text["html"] and "<!--" not in text["html"] and "&lt;!--" not in text["html"]
    for name in ("nothing", "..%2fsecurity", "MQTT"):
        assert admin.get(f"/api/help/{name}").status in (404, 422)


def test_stats_are_a_list(admin):
    assert isinstance(admin.get("/api/device/stats").json, list)
