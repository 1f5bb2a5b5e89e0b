"""`appliance collect`: pictures of one thing, from the daemon or from a camera of its own."""

import json
import os

import pytest

from appliance.cli import main
from appliance.control.server import ControlServer
from appliance.imaging.files import encode_jpeg
from appliance.system.paths import find_control_socket
from support.teaching import draw


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


@pytest.fixture
def camera(tmp_path):
    """Return a function that writes settings for a folder of pictures, which are shown one after the other."""

    def write(count):
        folder = tmp_path / "pictures"
        folder.mkdir()
        for seed in range(count):
            (folder / f"{seed:02d}.jpg").write_bytes(encode_jpeg(draw(seed, 160)))
        path = tmp_path / "settings.toml"
        path.write_text(f'[camera]\nsource = "{folder}"\nfps = 20\n')
        return str(path)

    return write


@pytest.fixture
def serve():
    """Return a function that starts a daemon that answers; it returns the requests."""
    servers = []

    def start(*answers):
        path = find_control_socket()
        path.parent.mkdir(parents=True)
        left, requests = list(answers), []

        def handle(request):
            if request["command"] != "record":
                return {"settings": None}
            requests.append(request.get("argument"))
            return left.pop(0) if len(left) > 1 else left[0]

        servers.append(ControlServer(path, handle))
        servers[0].start()
        return requests

    yield start
    for server in servers:
        server.stop()


def answer(kept, active=True, label="cup", folder="/d"):
    return {"label": label, "background": False, "kept": kept, "dropped": 1, "last": "kept", "active": active,
            "folder": folder}  # fmt: skip


def test_without_a_service_the_command_opens_the_camera(camera, state, capsys):
    settings = camera(8)
    assert main(["collect", "own cup", "--count", "3", "--every", "0.1", "--config", settings]) == 0
    pictures = list((state / "dataset" / "own_cup").glob("*_rec-*.jpg"))
    printed = capsys.readouterr()
    assert len(pictures) == 3 and "3 pictures kept" in printed.out and "own_cup" in printed.err
    assert "appliance collect" in printed.out.splitlines()[-1]


def test_last_line_is_the_training_when_there_is_enough(camera, state, capsys):
    settings = camera(30)
    words = ["--count", "10", "--every", "0.1", "--config", settings]
    assert main(["collect", "cup", *words]) == main(["collect", "--background", *words]) == 0
    assert len(list((state / "dataset" / "background").iterdir())) == 10
    assert f"train {state / 'dataset'}" in capsys.readouterr().out.splitlines()[-1]


def test_daemon_records_until_enough_is_kept(serve, capsys):
    requests = serve(answer(0), answer(4), answer(5, active=False))
    assert main(["collect", "cup", "--count", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "label": "cup", "background": False, "kept": 5, "dropped": 1, "folder": "/d/cup",
    }  # fmt: skip
    assert requests[0] == {"label": "cup", "background": False, "every_s": 0.5, "count": 5, "renew": False}
    assert [request["renew"] for request in requests[1:]] == [True, True]


def test_still_scene_ends_with_a_hint_and_status_1(serve, monkeypatch, capsys):
    monkeypatch.setattr("appliance.cli.collect._HINT_AFTER_S", 0.0)
    monkeypatch.setattr("appliance.cli.collect._GIVE_UP_AFTER_S", 1.0)
    requests = serve(answer(1) | {"last": "similar"})
    assert main(["collect", "cup", "--count", "5"]) == 1
    printed = capsys.readouterr().err
    assert "like an earlier one" in printed and "only 1 of 5" in printed and requests[-1] == {"stop": True}


def run_command(words):
    """Return the exit status, also of a usage error."""
    try:
        return main(words)
    except SystemExit as error:
        return error.code


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([], 2), (["cup", "--background"], 2), (["•"], 1), (["Background"], 2), (["cup", "--count", "0"], 2),
        (["cup", "--count", "1001"], 2), (["cup", "--every", "0.01"], 2), (["cup", "--every", "x"], 2),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence(words, status, capsys):
    assert run_command(["collect", *words]) == status
    assert capsys.readouterr().err


def test_foreign_answer_of_the_daemon_is_one_sentence(serve, capsys):
    serve({"kept": "many"})
    assert main(["collect", "cup"]) == 1
    assert "same version" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_writes_as_the_owner_of_the_state_folder(camera, monkeypatch, open_folder):
    settings, state = camera(6), open_folder / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(state))
    assert main(["collect", "cup", "--count", "2", "--every", "0.1", "--config", settings]) == 0
    assert {path.stat().st_uid for path in (state / "dataset").rglob("*")} == {65534}
