"""`appliance check` reports whether the page is served, or could be."""

import socket

import pytest

from appliance.diagnostics.page_check import check_settings, describe_served, find_page_check
from appliance.errors import ApplianceError
from appliance.settings.schema import Settings, WebSettings

SERVED = {"enabled": True, "listen": [], "urls": ["http://pi.local:8080"], "viewers": 1, "trouble": None}


def test_page_that_is_off_has_no_line():
    assert find_page_check(False, False, Settings()) is None


def test_served_page_is_named_with_its_viewers():
    assert "http://pi.local:8080, 1 open" in describe_served(SERVED)
    with pytest.raises(ApplianceError, match="Address in use.*without the page"):
        describe_served(SERVED | {"trouble": "Address in use; correct web.listen", "viewers": None})


def test_address_of_another_program_is_refused_unless_the_daemon_holds_it():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        settings = Settings(web=WebSettings(enabled=True, listen=(address,)))
        check = find_page_check(False, False, settings)
        with pytest.raises(ApplianceError, match=r"web\.listen"):
            check()
        assert address in check_settings(settings.web, [address])
    assert address in check_settings(settings.web)


def test_missing_certificate_is_refused(tmp_path):
    with pytest.raises(ApplianceError, match=r"web\.cert_file"):
        check_settings(WebSettings(enabled=True, cert_file=tmp_path / "a", key_file=tmp_path / "b"))


def test_missing_library_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr("appliance.daemon.page.build.find_spec", lambda name: None)
    with pytest.raises(ApplianceError, match="fastapi.*web"):
        check_settings(WebSettings(enabled=True))
