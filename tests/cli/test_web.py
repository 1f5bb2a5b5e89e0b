"""`appliance web` against a running daemon, and its changes of the settings file."""

import tomllib

import pytest

from appliance.cli import main
from appliance.cli.exit_status import ExitStatus
from appliance.cli.web import print_link
from support.paths import ROOT
from support.qr_code import read_qr_code
from support.web import WebDevice


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    with WebDevice(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def run(device, monkeypatch, capsys):
    monkeypatch.setattr("appliance.system.paths.find_control_socket", lambda: device.state.parent / "control.sock")

    def run(*arguments):
        capsys.readouterr()
        status = main(["web", *arguments])
        captured = capsys.readouterr()
        return status, captured.out.strip(), captured.err

    return run


def test_printed_link_signs_in(device, run):
    status, out, err = run()
    url, _, code = out.partition("/#")
    assert status == ExitStatus.DONE and url == f"http://127.0.0.1:{device.port}" and "10 minutes" in err
    assert "web.listen" in err  # nobody else can open it, and --enable leaves an address of one's own
    assert device.access.redeem_code(code)


def test_default_address_is_opened_with_enable(capsys):
    print_link({"urls": ["http://127.0.0.1:8080"], "code": "x", "tls": False})
    assert "--enable" in capsys.readouterr().err


def test_qr_code_is_printed_on_a_terminal_only(run, monkeypatch):
    assert "█" not in run()[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for kind in ("dumb", "xterm-256color"):
        monkeypatch.setenv("TERM", kind)
        printed = run()[1]
        assert read_qr_code(printed) == printed.partition("\n")[0] != ""
        assert ("\x1b[97;40m" in printed) == (kind != "dumb")


def test_qr_code_that_the_terminal_would_break_is_left_out(run, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("appliance.cli.web.read_columns", lambda stream: 30)
    _, out, err = run()
    assert "█" not in out and "columns" in err


def test_token_is_printed_once_listed_and_revoked(device, run):
    status, token, err = run("--new-token", "dash")
    assert status == 0 and device.access.find_token(token).scope == "read" and "only now" in err and "scope read" in err
    _, listed, _ = run("--tokens")
    assert "dash" in listed and "read" in listed and token not in listed
    assert run("--new-token", "dash")[0] == ExitStatus.FAILED
    assert run("--revoke", "dash")[0] == 0 and device.access.find_token(token) is None
    status, _, err = run("--revoke", "dash")
    assert status == ExitStatus.FAILED and "--tokens" in err


def test_sign_out_everywhere_ends_sessions(device, run):
    browser = device.browser()
    assert "sessions ended" in run("--sign-out-everywhere")[2]
    assert browser.get("/api/status").status == 401


def test_scope_needs_a_new_token(run):
    assert run("--scope", "admin")[0] == ExitStatus.WRONG_USAGE
    with pytest.raises(SystemExit):
        run("--new-token", "a", "--scope", "root")


def test_enable_and_disable_change_the_settings_file(run, tmp_path):
    file = tmp_path / "appliance.toml"
    file.write_text((ROOT / "config" / "appliance.toml").read_text())
    file.chmod(0o604)
    assert run("--enable", "--config", str(file))[0] == 0
    web = tomllib.loads(file.read_text())["web"]
    assert web["enabled"] is True and web["listen"] == ["0.0.0.0:8080", "[::]:8080"]
    assert file.stat().st_mode & 0o777 == 0o604
    assert "already" in run("--enable", "--config", str(file))[2]
    assert run("--disable", "--config", str(file))[0] == 0
    assert tomllib.loads(file.read_text())["web"]["enabled"] is False
    assert [path.name for path in tmp_path.iterdir()] == ["appliance.toml"]


def test_page_without_its_libraries_is_not_turned_on(run, tmp_path, monkeypatch):
    """Otherwise the service would not start again."""
    file = tmp_path / "appliance.toml"
    file.write_text("[web]\nenabled = false\n")
    monkeypatch.setattr("appliance.daemon.page.build.find_spec", lambda name: None)
    status, _, err = run("--enable", "--config", str(file))
    assert status == 1 and "pip install '.[web]'" in err
    assert tomllib.loads(file.read_text())["web"]["enabled"] is False
    assert run("--disable", "--config", str(file))[0] == 0


def test_chosen_addresses_are_kept(run, tmp_path):
    file = tmp_path / "appliance.toml"
    file.write_text('[web]\nlisten = ["10.0.0.1:90"]\n')
    run("--enable", "--config", str(file))
    assert tomllib.loads(file.read_text())["web"]["listen"] == ["10.0.0.1:90"]
