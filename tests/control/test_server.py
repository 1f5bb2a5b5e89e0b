"""The server of the control socket: several clients at once, hostile clients, and its end."""

import json
import socket
import threading
import time

import pytest

from appliance.control.client import ask
from appliance.control.clients import MAX_CLIENTS_PER_USER
from appliance.control.server import ControlServer
from appliance.control.wire import MAX_REQUEST_BYTES
from appliance.errors import ControlError, DaemonAbsentError
from support.broker import wait_until
from support.control import echo


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
        threading.Thread(target=lambda n=n: answers.update({n: ask(path, {"n": n})}))
        for n in range(MAX_CLIENTS_PER_USER)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == {n: {"asked": {"n": n}} for n in range(MAX_CLIENTS_PER_USER)}


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
        hanging = [connect(path) for _ in range(MAX_CLIENTS_PER_USER)]
        for client in hanging:
            assert client.recv(1) == b"", "the daemon let go of it"
            client.close()


def test_idle_clients_do_not_shut_out_a_command(server, path):
    idle = [connect(path) for _ in range(MAX_CLIENTS_PER_USER)]
    for n in range(3):
        assert ask(path, {"n": n}, timeout_s=5) == {"asked": {"n": n}}
    assert idle[0].recv(1) == b"", "the longest idle client made room"
    for client in idle:
        client.close()


def test_clients_with_half_a_request_do_not_shut_out_a_command(server, path):
    idle = [connect(path) for _ in range(2 * MAX_CLIENTS_PER_USER)]
    for client in idle:
        client.sendall(b'{"half')
    assert ask(path, {}, timeout_s=5) == {"asked": {}}
    for client in idle:
        client.close()


def test_clients_that_read_no_answer_do_not_shut_out_a_command(path):
    answering = threading.Semaphore(0)

    def answer(request):
        answering.release()
        return {"filler": "x" * 1_000_000}  # more than a socket buffers

    with ControlServer(path, answer):
        deaf = [connect(path) for _ in range(MAX_CLIENTS_PER_USER)]
        for client in deaf:
            client.sendall(b'{"n": 1}\n')
        assert all(answering.acquire(timeout=10) for _ in deaf)
        wait_until(lambda: "filler" in ask_or_nothing(path), "a command is answered", 5)
        for client in deaf:
            client.close()


def ask_or_nothing(path):
    """Return the answer; nothing if the last client's answer is not being sent yet."""
    try:
        return ask(path, {"n": 2})
    except ControlError:
        return {}


def test_refusal_and_answer_with_lone_surrogates_arrive(path):
    def handle(request):
        if request:
            raise ControlError("bad\ud800 name\nMAINPID=1")
        return {"name": "x\udc80"}

    with ControlServer(path, handle):
        assert ask(path, {}) == {"name": "x?"}
        with pytest.raises(ControlError, match="^bad\N{REPLACEMENT CHARACTER} name MAINPID=1$"):
            ask(path, {"n": 1})


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
