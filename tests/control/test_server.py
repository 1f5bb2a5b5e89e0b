"""The control socket: several clients at once, hostile clients, and daemons that are absent, dead or doubled."""

import json
import os
import socket
import stat
import threading
import time

import pytest

from appliance.control.client import ask
from appliance.control.server import MAX_CLIENTS, ControlServer
from appliance.control.wire import MAX_REQUEST_BYTES
from appliance.errors import ControlError, DaemonAbsentError, StoreError


def echo(request):
    """The daemon of these tests: it answers what it was asked, and fails on request."""
    if request.get("want") == "no":
        raise StoreError("the store is full; make room")
    if request.get("want") == "failure":
        raise ZeroDivisionError
    return {"asked": request}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control.sock"


@pytest.fixture
def server(path):
    with ControlServer(path, echo) as server:
        yield server


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    client.connect(str(path))
    return client


def send_line(path, line):
    """Send a line as it is and return the answer."""
    with connect(path) as client:
        client.sendall(line)
        return json.loads(client.makefile().readline())


def test_request_is_answered(server, path):
    assert ask(path, {"do": "show", "naïve": [1, None]}) == {"asked": {"do": "show", "naïve": [1, None]}}


def test_socket_has_the_folders_group(tmp_path):
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 12345)
    before = os.umask(0o077)
    try:
        with ControlServer(tmp_path / "s", echo):
            found = (tmp_path / "s").stat()
    finally:
        os.umask(before)
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert (found.st_uid, found.st_gid) == (tmp_path.stat().st_uid, tmp_path.stat().st_gid)


def test_refusal_of_the_daemon_is_the_commands_error(server, path):
    with pytest.raises(ControlError, match="^the store is full; make room$"):
        ask(path, {"want": "no"})


def test_failure_is_logged_and_the_next_request_answered(server, path, caplog):
    with pytest.raises(ControlError, match="see its log"):
        ask(path, {"want": "failure"})
    assert "ZeroDivisionError" in caplog.text
    assert ask(path, {}) == {"asked": {}}


@pytest.mark.parametrize("line", [b"not json\n", b"\xff\xfe\n", b"[1, 2]\n", b"3\n", b"\n", b"[" * 60_000 + b"\n"])
def test_malformed_request_is_refused(server, path, line):
    answer = send_line(path, line)
    assert answer["ok"] is False and "JSON object" in answer["error"]


def test_endless_request_is_refused(server, path):
    assert "longer than" in send_line(path, b"x" * (MAX_REQUEST_BYTES + 2))["error"]
    with pytest.raises(ControlError, match="longer than"):
        ask(path, {"text": "x" * 1_000_000})


def test_connection_carries_several_requests(server, path):
    with connect(path) as client:
        client.sendall(b'{"n": 1}\n{"n": 2}\n')
        answers = client.makefile()
        assert [json.loads(answers.readline())["answer"]["asked"]["n"] for _ in range(2)] == [1, 2]


def test_many_clients_are_answered_at_once(server, path):
    answers = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: ask(path, {"n": n})})) for n in range(MAX_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == {n: {"asked": {"n": n}} for n in range(MAX_CLIENTS)}


def test_slow_request_does_not_delay_others(path):
    go_on, at_work = threading.Event(), threading.Event()

    def handle(request):
        if request["slow"]:
            at_work.set()
            assert go_on.wait(10)
        return request

    with ControlServer(path, handle):
        answers = []
        slow = threading.Thread(target=lambda: answers.append(ask(path, {"slow": True})))
        slow.start()
        assert at_work.wait(5)
        assert ask(path, {"slow": False}, timeout_s=5) == {"slow": False}
        go_on.set()
        slow.join(10)
        assert answers == [{"slow": True}]


def test_silent_clients_are_disconnected(path):
    with ControlServer(path, echo, request_timeout_s=0.3):
        hanging = [connect(path) for _ in range(MAX_CLIENTS)]
        deadline_s = time.monotonic() + 5
        while True:
            try:
                assert ask(path, {}) == {"asked": {}}
                break
            except ControlError as error:
                assert "try again" in str(error) and time.monotonic() < deadline_s  # noqa: PT017 - until the others are gone
                time.sleep(0.02)
        for client in hanging:
            assert client.recv(1) == b"", "the daemon let go of it"
            client.close()


def test_slow_client_is_disconnected(path):
    with ControlServer(path, echo, request_timeout_s=0.3), connect(path) as client, pytest.raises(OSError):
        for _ in range(100):
            client.sendall(b" ")
            time.sleep(0.05)


def test_client_that_disconnects_early_does_no_harm(server, path):
    for line in (b"", b'{"half', b'{"whole": true}\n'):
        with connect(path) as client:
            client.sendall(line)
    assert ask(path, {}) == {"asked": {}}


def test_absent_daemon_is_an_error_with_its_remedy(path):
    with pytest.raises(DaemonAbsentError, match="systemctl start appliance"):
        ask(path, {})
    with ControlServer(path, echo):
        pass
    assert not path.exists(), "a daemon that stops takes its socket along"
    with pytest.raises(DaemonAbsentError):
        ask(path, {})


def leave_a_stale_socket(path):
    """As a daemon killed by -9 does: the file stays when its socket is closed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))


def test_socket_of_a_dead_daemon_is_replaced(path):
    leave_a_stale_socket(path)
    with pytest.raises(DaemonAbsentError):
        ask(path, {})
    with ControlServer(path, echo):
        assert ask(path, {}) == {"asked": {}}


def test_second_daemon_is_refused(server, path):
    with pytest.raises(ControlError, match="another daemon already runs.*APPLIANCE_STATE_DIR"):
        ControlServer(path, echo).start()
    assert ask(path, {}) == {"asked": {}}


def test_one_of_several_daemons_starts(path):
    def start(server):
        together.wait(5)
        try:
            server.start()
        except ControlError as error:
            refused.append(error)

    for _ in range(20):
        leave_a_stale_socket(path)
        servers, refused, together = [ControlServer(path, echo) for _ in range(6)], [], threading.Barrier(6)
        threads = [threading.Thread(target=start, args=(server,)) for server in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(refused) == len(servers) - 1 and all("another daemon" in str(error) for error in refused)
        assert ask(path, {}) == {"asked": {}}
        for server in servers:
            server.stop()


def test_other_file_on_the_path_is_not_removed(path):
    path.write_text("mine")
    with pytest.raises(ControlError, match="is in the way"):
        ControlServer(path, echo).start()
    assert path.read_text() == "mine"


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ControlError, match=r"cannot be created: No such file"):
        ControlServer(tmp_path / "missing/control.sock", echo).start()
    with pytest.raises(DaemonAbsentError):
        ask(tmp_path / "missing/control.sock", {})


def test_path_longer_than_a_socket_address_works(tmp_path):
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    with pytest.raises(DaemonAbsentError):
        ask(folder / "control.sock", {})
    with ControlServer(folder / "control.sock", echo):
        assert ask(folder / "control.sock", {}) == {"asked": {}}
        with pytest.raises(ControlError, match="another daemon"):
            ControlServer(folder / "control.sock", echo).start()


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
    assert errors == ["the daemon ended before it answered; see its log"]


def test_late_answer_is_an_error(path):
    go_on = threading.Event()
    with ControlServer(path, lambda request: {"waited": go_on.wait(10)}):
        with pytest.raises(ControlError, match="did not answer within 0.2 s"):
            ask(path, {}, timeout_s=0.2)
        go_on.set()


def test_answer_of_another_program_is_an_error(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def answer():
        client, _ = listener.accept()
        with client:
            client.recv(100)
            client.sendall(b"220 hello\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(ControlError, match="not understood"):
        ask(path, {})
    thread.join(5)
    listener.close()
