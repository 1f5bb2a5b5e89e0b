"""The commands of `appliance web` as the daemon answers them."""

import pytest

from appliance.daemon.page.access_commands import AccessCommands, list_urls
from appliance.errors import ControlError
from appliance.settings.schema import WebSettings


def make(tmp_path, error=None, **web):
    return AccessCommands(tmp_path, lambda: WebSettings(**web), lambda: error, lambda: 2)


def urls(**web):
    return list_urls(WebSettings(**web), lambda: "192.168.1.5", lambda: "Pi")


def test_address_for_a_phone_comes_first():
    assert urls(listen=("127.0.0.1:80", "0.0.0.0:8080", "[::]:8080")) == [
        "http://192.168.1.5:8080", "http://pi.local:8080", "http://127.0.0.1:80",
    ]  # fmt: skip
    assert urls(public_url="https://cam.example/")[0] == "https://cam.example"
    assert urls(listen=("[fd00::1]:1",), cert_file="c") == ["https://[fd00::1]:1"]


def test_link_is_refused_while_the_page_is_off_or_not_served(tmp_path):
    with pytest.raises(ControlError, match="--enable"):
        make(tmp_path).run({"action": "link"})
    with pytest.raises(ControlError, match="port in use"):
        make(tmp_path, "port in use", enabled=True).run({"action": "link"})


@pytest.mark.parametrize("argument", [None, [], "x", {}, {"action": "root"}, {"action": ["link"]}])
def test_unknown_command_is_refused(tmp_path, argument):
    with pytest.raises(ControlError, match="same version"):
        make(tmp_path).run(argument)


def test_tokens_can_be_managed_while_the_page_is_off(tmp_path):
    commands = make(tmp_path)
    token = commands.run({"action": "new-token", "name": "a", "scope": "admin"})["token"]
    assert commands.access.find_token(token)
    assert commands.run({"action": "tokens"})["tokens"][0]["name"] == "a"
    commands.run({"action": "revoke", "name": "a"})
    assert commands.access.find_token(token) is None
    with pytest.raises(ControlError, match="read or admin"):
        commands.run({"action": "new-token", "name": "a", "scope": "x"})
    assert commands.run({"action": "sign-out-everywhere"}) == {"sessions": 0}


def test_status_tells_where_the_page_is_and_why_it_is_not_served(tmp_path):
    status = make(tmp_path, "port in use", enabled=True, listen=("127.0.0.1:81",)).run({"action": "status"})
    assert status == {
        "enabled": True, "listen": ["127.0.0.1:81"], "urls": ["http://127.0.0.1:81"], "viewers": 2,
        "trouble": "port in use",
    }  # fmt: skip
