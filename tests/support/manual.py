"""The shell blocks of the manual, and a machine with a fresh user account on which to run them."""

import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.caches import keep_newest, note_use
from support.machine import CACHE, Machine
from support.paths import ROOT

USER = "you"
HOME = f"/home/{USER}"
_MARK = re.compile(r"<!-- needs: (.+?) -->")


@dataclass(frozen=True, slots=True)
class ShellBlock:
    """One fenced shell block: its file, the line of its first command, its text, and needs that tests cannot meet."""

    file: str
    line: int
    text: str
    needs: str | None


def read_blocks(file: Path) -> list[ShellBlock]:
    """Return the ```sh blocks of a Markdown file, in order."""
    blocks, needs, lines = [], None, file.read_text(encoding="utf-8").splitlines()
    index = 0
    while index < len(lines):
        line = lines[index].strip()
        if mark := _MARK.fullmatch(line):
            needs = mark[1]
        elif line.startswith("```"):
            end = next(at for at in range(index + 1, len(lines)) if lines[at].strip() == "```")
            if line == "```sh":
                blocks.append(ShellBlock(file.name, index + 2, "\n".join(lines[index + 1 : end]), needs))
            needs, index = None, end
        elif line:
            needs = None
        index += 1
    return blocks


def make_script(blocks: list[ShellBlock]) -> str:
    """Return a script that runs the blocks in one shell and names the block whose command fails."""
    parts = ["set -em", "trap 'echo \"FAILED in $AT: $BASH_COMMAND\"' ERR"]
    for block in blocks:
        parts += [f"AT='{block.file}:{block.line}'", 'echo "=== $AT"', block.text]
    return "\n".join(parts) + "\n"


def wheel_folder(suite: str) -> Path:
    """Return a folder with every package of the lock file for a Debian, downloaded once for each lock file.

    The machine needs it, because it has no network.
    """
    lock = ROOT / "scripts/locks/py311.txt"
    if suite == "trixie":
        done = subprocess.run(
            ["scripts/test-trixie", "--fetch"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
        return note_use(Path(done.stdout.strip()))
    folder = CACHE / f"wheels-all-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not (folder / ".complete").exists():
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*command, "--no-deps", "-r", str(lock), "-d", str(folder)], check=True)
        (folder / ".complete").touch()
        keep_newest(CACHE, "wheels-all-[0-9a-f]{12}")
    return note_use(folder)


def boot_user_machine(folder: Path, suite: str = "bookworm") -> Machine:
    """Boot a fresh Debian with an ordinary user who may use sudo, and a clone of this project in the user's home.

    It has no network: pip finds every package in a local folder. apt has an empty local repository, because the
    packages that the manual installs are already in the root file system.
    """
    machine = Machine(folder, (CACHE / f"debian-{suite}",), options=(f"--bind-ro={wheel_folder(suite)}:/wheels",))
    machine.write("/etc/pip.conf", "[global]\nno-index = true\nfind-links = /wheels\n")
    machine.write("/srv/apt/Packages", "")
    machine.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/apt ./\n")
    machine.run("echo 127.0.1.1 $(hostname) >>/etc/hosts")
    machine.run(f"useradd -m -s /bin/bash {USER}")
    machine.write(f"/etc/sudoers.d/{USER}", f"{USER} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    clone = machine.root / f"home/{USER}/camera-appliance"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    machine.run(f"chown -R {USER}: {HOME}; systemctl enable --now mosquitto")
    return machine


def run_blocks(machine: Machine, blocks: list[ShellBlock], timeout_s: float) -> str:
    """Run blocks as the user in the clone, in one shell.

    Returns:
        The output.

    Raises:
        AssertionError: A command failed.
    """
    machine.write(f"{HOME}/blocks.sh", make_script(blocks), 0o755)
    command = f"su - {USER} -c 'cd camera-appliance && bash ../blocks.sh'"
    done = machine.run(command, check=False, timeout_s=timeout_s)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout[-8000:]}"
    return done.stdout
