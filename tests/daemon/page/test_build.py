"""The page is kept apart from labeling: off imports nothing, and a port in use costs only the page."""

import socket
import subprocess
import sys

import pytest

from appliance.errors import SettingsError
from support.broker import free_port, wait_until
from support.web import WebDevice, make_settings


def test_page_that_is_off_imports_no_web_library(tmp_path):
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from appliance.daemon.service import Service
from support.web import make_settings
Path({str(tmp_path)!r}, "state").mkdir()
service = Service(make_settings(), Path({str(tmp_path)!r}, "state"), Path({str(tmp_path)!r}))
service.start()
assert service.page.viewers is None and service.page.make_link() is None and service.page.ports == []
service.stop()
wrong = {{"fastapi", "uvicorn", "pydantic", "starlette", "markdown_it", "h11", "appliance.web.app"}} & set(sys.modules)
assert not wrong, wrong
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_port_in_use_costs_only_the_page_and_is_tried_again(tmp_path, monkeypatch):
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)) as other,
        WebDevice(tmp_path, listen=(f"127.0.0.1:{port}",)) as device,
    ):
        page = device.service.page
        assert page.viewers is None and page.make_link() is None
        other.close()
        monkeypatch.setattr(page, "_try_again_s", 0.0)
        wait_until(lambda: page.ports == [port], "the page is served")
        device.port = port
        assert device.program().get("/api/status").status == 200


def test_missing_library_is_a_settings_error(tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.daemon.page.build.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="fastapi is missing"):
        WebDevice(tmp_path)


def test_viewers_are_part_of_the_statistics(tmp_path):
    with WebDevice(tmp_path, make_settings()) as device:
        stats = device.service.page.add_stats(device.service.parts.status.collect_stats())
        assert stats.as_dict()["viewers"] == 0
        points = device.program().get("/api/device/stats").json
        assert len(points) == 1 and points[0]["fps"] > 0
