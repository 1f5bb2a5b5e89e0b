"""The client: the daemon's answer or its refusal, and daemons that are absent, slow, or something else."""

import grp
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.control.client import ask
from appliance.control.server import ControlServer
from appliance.errors import ControlError, DaemonAbsentError
from support.control import echo

ACCOUNT_WITHOUT_RIGHTS = 65534
GROUP = 12  # man, on Debian


@contextmanager
def without_rights() -> Iterator[None]:
    """Act as another account if this one is root, to whom no mode applies."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(ACCOUNT_WITHOUT_RIGHTS)
    try:
        yield
    finally:
        os.seteuid(own)


@contextmanager
def answer_once(path: Path, line: bytes) -> Iterator[None]:
    """Listen as a daemon does, and answer one client with these bytes."""

    def answer() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(100)
            client.sendall(line)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join(5)


def test_refusal_of_the_daemon_is_the_commands_error(server, path):
    with pytest.raises(ControlError, match="^the store is full; make room$"):
        ask(path, {"want": "no"})


def test_absent_daemon_is_an_error_with_its_remedy(path):
    with pytest.raises(DaemonAbsentError, match="start it with: "):
        ask(path, {})
    with ControlServer(path, echo):
        pass
    assert not path.exists(), "a daemon that stops takes its socket along"
    with pytest.raises(DaemonAbsentError):
        ask(path, {})


def test_daemon_that_stops_is_an_error_of_its_own(path):
    at_work, go_on = threading.Event(), threading.Event()

    def handle(request):
        at_work.set()
        go_on.wait(10)
        return {}

    server = ControlServer(path, handle)
    server.start()
    errors = []

    def command():
        try:
            ask(path, {})
        except ControlError as error:
            errors.append(str(error))

    thread = threading.Thread(target=command)
    thread.start()
    assert at_work.wait(5)
    server.stop()
    thread.join(5)
    go_on.set()
    assert len(errors) == 1 and "before it answered" in errors[0]


def test_late_answer_is_an_error(path):
    go_on = threading.Event()
    with ControlServer(path, lambda request: {"waited": go_on.wait(10)}):
        with pytest.raises(ControlError, match=r"within 0\.2 s"):
            ask(path, {}, timeout_s=0.2)
        go_on.set()


def test_answer_of_another_program_is_an_error(path):
    with answer_once(path, b"220 hello\n"), pytest.raises(ControlError, match="same version"):
        ask(path, {})


@pytest.mark.parametrize("name", ["missing/control.sock", "file/control.sock"])
def test_missing_folder_means_that_no_daemon_runs(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(DaemonAbsentError, match=name):
        ask(tmp_path / name, {})


def test_account_without_rights_learns_which_group_may_ask():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "control.sock"
        with ControlServer(path, echo):
            if os.geteuid() == 0:
                os.chown(path, 0, GROUP)
            path.chmod(0)
            group = grp.getgrgid(path.stat().st_gid).gr_name
            with without_rights(), pytest.raises(ControlError, match=rf"sudo, or .*usermod -aG {group} \$USER"):
                ask(path, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="acts as another account, which only root can")
def test_account_without_access_to_the_folder_learns_its_group():
    with tempfile.TemporaryDirectory() as folder:
        closed = Path(folder) / "closed"
        closed.mkdir(0o750)
        os.chown(closed, 0, GROUP)
        Path(folder).chmod(0o755)
        remedy = rf"usermod -aG {grp.getgrgid(GROUP).gr_name} "
        with (
            ControlServer(closed / "control.sock", echo),
            without_rights(),
            pytest.raises(ControlError, match=remedy),
        ):
            ask(closed / "control.sock", {})


@pytest.mark.parametrize(
    "line",
    [b'{"ok": true}\n', b'{"ok": true, "answer": [1]}\n', b'{"ok": false}\n', b"[]\n", b"3\n"],
    ids=repr,
)
def test_answer_of_another_version_is_an_error(path, line):
    with answer_once(path, line), pytest.raises(ControlError, match="same version"):
        ask(path, {})


def test_answer_without_an_end_means_that_the_daemon_ended(path):
    with answer_once(path, b'{"ok": true, "ans'), pytest.raises(ControlError, match="before it answered"):
        ask(path, {})


def test_texts_in_an_answer_are_cleaned_and_bounded(path):
    line = (
        b'{"ok": true, "answer": {"a\\u001b[2J": ["flow\\nMAINPID=1", {"b": "\\ud800"}], "c": "'
        + b"x" * 9000
        + b'"}}\n'
    )
    with answer_once(path, line):
        answer = ask(path, {})
    assert answer["a"] == ["flow MAINPID=1", {"b": "\N{REPLACEMENT CHARACTER}"}]
    assert len(answer["c"]) == 4096


def test_refusal_is_cleaned(path):
    line = b'{"ok": false, "error": "no\\u001b]0;title\\u0007 model\\r\\nroot: ok"}\n'
    with answer_once(path, line), pytest.raises(ControlError, match="^no model root: ok$"):
        ask(path, {})


def test_deep_answer_is_not_understood(path):
    with answer_once(path, b"[" * 100_000 + b"\n"), pytest.raises(ControlError, match="cannot be understood"):
        ask(path, {})
