"""Run commands in forks of one process that has imported the program, so that each takes a fraction of a second."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.paths import CHILD_ENVIRONMENT

# Each line of standard input is a command. Its fork gets the streams that Python itself would make for these files.
_PROGRAM = """
import gc, importlib, json, os, sys
from appliance.cli import COMMANDS
for command in COMMANDS:
    importlib.import_module(f"appliance.cli.{command.replace('-', '_')}")
import appliance.daemon.process, appliance.diagnostics.bench, appliance.imaging.files, appliance.labeling.labeler
import ai_edge_litert.interpreter
from appliance.__main__ import main
gc.freeze()  # a collection in a fork would copy the memory of everything above

def make_stream(descriptor, buffering, encoding, errors):
    try:
        os.fstat(descriptor)
    except OSError:
        return None
    return open(descriptor, "w", buffering, encoding=encoding, errors=errors, closefd=False)

for line in sys.stdin:
    case = json.loads(line)
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    for descriptor, place in enumerate(case["places"]):
        if place is None:
            os.close(descriptor)
        else:
            opened = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
    sys.stdout = sys.__stdout__ = make_stream(1, -1, case["encoding"], "surrogateescape")
    sys.stderr = sys.__stderr__ = make_stream(2, 1, case["encoding"], "backslashreplace")
    sys.argv = ["appliance", *case["words"]]
    os.environ.update(case["environ"])
    sys.exit(main())
"""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended; output that went elsewhere is empty."""

    returncode: int
    stdout: bytes
    stderr: bytes


class ForkedCommands:
    """Runs one command at a time."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    def run(
        self,
        words: list[str],
        folder: Path,
        *,
        encoding: str = "utf-8",
        stdout: str | None = "file",
        stdin: str | None = "/dev/null",
        environ: dict[str, str] | None = None,
    ) -> Done:
        """Run a command to its end.

        Args:
            words: The arguments.
            folder: For the output.
            encoding: Of standard output and standard error.
            stdout: Where it goes: a path, None if it is closed, or "file" to return it.
            stdin: Where it comes from.
            environ: Further variables.
        """
        files = [folder / "stdout.txt", folder / "stderr.txt"]
        for file in files:
            file.write_bytes(b"")
        places = [str(file) if place == "file" else place for file, place in zip(files, (stdout, "file"), strict=True)]
        case = {"words": words, "places": [stdin, *places], "encoding": encoding, "environ": environ or {}}
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        return Done(int(self._process.stdout.readline()), *(file.read_bytes() for file in files))


@contextmanager
def start_forked_commands() -> Iterator[ForkedCommands]:
    """Start the process that forks, and end it with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env=CHILD_ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield ForkedCommands(process)
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()
