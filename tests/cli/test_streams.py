"""Commands whose standard output has another encoding, or is closed, full, or a terminal."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.cli.streams import SafeStream, write_controls
from support.evaluations import make_bundle, make_png
from support.forked_commands import start_forked_commands
from support.paths import CHILD_ENVIRONMENT
from support.terminal import run_on_terminal

APPLIANCE = [sys.executable, "-m", "appliance"]
HOSTILE = "a\x1b[31mred\x9b2J\u202e.png"


@pytest.fixture
def words(tmp_path):
    """Return a command that prints the names of a picture and a label beyond ASCII."""
    model = make_bundle(tmp_path / "model", labels="Löwenzahn 雛菊 ×", confidenceThreshold=0.1)
    (tmp_path / "Bild→ü.png").write_bytes(make_png(0.9, 0.6, 0.3))
    return ["label", str(tmp_path / "Bild→ü.png"), "--model", str(model)]


@pytest.fixture(scope="module")
def forked():
    with start_forked_commands() as commands:
        yield commands


@pytest.fixture
def run(forked, tmp_path):
    """Return a function that runs a command and returns its status and output."""
    return lambda words, **options: forked.run(words, tmp_path, **options)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_encoding_is_written_without_a_traceback(run, words, encoding):
    done = run(words, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert "zahn" in text and "??" in text
    if encoding == "ascii":
        assert "Bild->u.png" in text and "Lowenzahn" in text


def test_json_is_utf8_in_any_encoding(run, words):
    done = run([*words, "--json"], encoding="ascii")
    assert done.returncode == 0
    assert json.loads(done.stdout.decode("utf-8"))[0]["labels"][0]["label"] == "Löwenzahn"


@pytest.mark.parametrize("words", [["--help"], ["help", "mqtt"]])
def test_help_and_manual_are_written_as_ascii(run, words):
    done = run(words, encoding="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii() and len(done.stdout) > 500


@pytest.mark.parametrize(
    ("streams", "option"),
    [
        ({"stdout": "/dev/full"}, []),
        ({"stdout": "/dev/full"}, ["--json"]),
        ({"stdout": "/dev/full"}, None),
        ({"stdout": None}, []),
        ({"stdout": None, "stdin": None}, ["--json"]),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence(run, words, streams, option):
    done = run(["--help"] if option is None else [*words, *option], **streams)
    assert done.returncode == 1
    assert done.stderr.startswith(b"appliance: standard output cannot be written")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("redirect", ["2> /dev/full", "2>&-", "2>&- > /dev/full"])
def test_status_stays_when_messages_cannot_be_written(redirect):
    command = ["sh", "-c", f'"$@" {redirect}', "sh", *APPLIANCE, "check", "--config", "gone.toml"]
    assert subprocess.run(command, env=CHILD_ENVIRONMENT, timeout=60).returncode == 78


def test_first_files_never_get_the_numbers_of_closed_streams(tmp_path):
    """Otherwise a message of native code to descriptor 2 would be written into a database."""
    program = "import os, sys; from appliance.__main__ import main; import appliance.cli as cli\n"
    program += "def run(_):\n  print(os.open('/dev/zero', os.O_RDONLY), file=open(sys.argv[1], 'w')); return 0\n"
    program += "cli.main = run; sys.exit(main())"
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program, str(tmp_path / "number")]
    subprocess.run(command, env=CHILD_ENVIRONMENT, timeout=60, check=False)
    assert int((tmp_path / "number").read_text()) > 2


@pytest.mark.parametrize("where", ["picture", "label", "model", "missing"])
def test_names_with_escape_codes_are_cleaned(run, tmp_path, where):
    model = make_bundle(tmp_path / "model", name=HOSTILE if where == "model" else "paint")
    if where == "label":
        (model / "dict.txt").write_text("red\x1b[31m\x9b2J\ngreen\nblue\n")
    picture = tmp_path / (HOSTILE if where in ("picture", "missing") else "a.png")
    if where != "missing":
        picture.write_bytes(make_png(0.9, 0.6, 0.3))
    done = run(
        ["bench" if where == "model" else "label", *([] if where == "model" else [str(picture)]), "--model", str(model)]
    )
    for text in (done.stdout.decode(), done.stderr.decode()):
        assert text.replace("\n", "").isprintable(), text
    assert b"Traceback" not in done.stderr and len(done.stdout + done.stderr) > 20


def test_whatever_is_printed_is_cleaned_once_more():
    """For text that no module cleaned before; only the program's own controls pass."""
    content = io.BytesIO()
    stream = SafeStream(content, encoding="utf-8")
    print("a\x1b[31mred\x9b2J\ud800\u202e", file=stream, flush=True)
    write_controls(stream, "\r\033[K")
    assert content.getvalue().decode() == "ared\N{REPLACEMENT CHARACTER}\n\r\033[K"
    stream.detach()


def test_name_that_is_not_utf8_is_written(run, words, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(name)).write_bytes(make_png(0.9, 0.6, 0.3))
    for option in ([], ["--json"]):
        done = run([words[0], os.fsdecode(name), *words[2:], *option])
        assert (done.returncode, done.stderr) == (0, b"")
        assert "caf\N{REPLACEMENT CHARACTER}.png" in done.stdout.decode("utf-8")


def test_reader_that_leaves_ends_the_command_quietly(words):
    command = ["sh", "-c", '"$@" | head -1', "sh", *APPLIANCE, "label", *[words[1]] * 3000, *words[2:]]
    done = subprocess.run(command, env=CHILD_ENVIRONMENT, capture_output=True, timeout=60)
    assert done.stderr == b"" and done.stdout.count(b"\n") == 1


def test_log_in_json_has_a_fatal_sentence_in_json(run, tmp_path):
    for number, text in enumerate(
        (
            '[log]\nformat = "json"\n[camera]\nsource = "ftp://x"\n',
            '[log]\nformat = "json"\n[camera]\nsorce = "scene"\n',
            '[camera\n[log]\nformat = "json"\n',
        )
    ):
        (tmp_path / f"{number}.toml").write_text(text)
        done = run(["run", "--config", str(tmp_path / f"{number}.toml")])
        assert done.returncode == 78
        (entry,) = map(json.loads, done.stderr.splitlines())
        assert entry["level"] == "critical" and f"{number}.toml" in entry["message"]


def test_log_in_json_by_a_variable_has_a_fatal_sentence_in_json(run, tmp_path):
    done = run(["run", "--config", str(tmp_path / "gone.toml")], environ={"APPLIANCE_LOG__FORMAT": "json"})
    assert done.returncode == 78
    assert "gone.toml" in json.loads(done.stderr)["message"]


def test_messages_on_a_terminal_are_cleaned(tmp_path):
    ran = run_on_terminal([*APPLIANCE, "label", str(tmp_path / HOSTILE)], environ=CHILD_ENVIRONMENT)
    assert "\x1b" not in ran.raw and "\x9b" not in ran.raw
