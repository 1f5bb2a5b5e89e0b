"""A Debian with a real systemd, booted in a container, as a stand-in for a Raspberry Pi.

The root file system is made once (scripts/install-test-tools --all) and kept; each machine is an overlay on it, so
every test starts from the same state and may break its machine. There is no network inside. It requires root,
systemd-nspawn and the boot script in the test data; if one of them is missing, the tests are skipped with the reason.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.broker import wait_until
from support.caches import keep_newest, note_use
from support.paths import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "camera-appliance"
BASE = CACHE / "debian-bookworm"
BOOT = Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared")) / "tools/real-systemd/boot"
CLONE = "/root/camera-appliance"
# The parts of a clone that the installer needs.
PARTS = ("appliance", "config", "scripts", "systemd", "pyproject.toml")


def missing() -> str | None:
    """Return why no machine can be booted here, or None."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    if not BOOT.exists():
        return f"there is no {BOOT} (APPLIANCE_TEST_DATA names the folder)"
    if not shutil.which("systemd-nspawn") or not (BASE / ".complete").exists():
        return "systemd-nspawn or the machine's root is missing: scripts/install-test-tools --all, as root"
    return None


class Machine:
    """A booted system on `layers` (the lowest last); what it writes goes to `folder`/upper."""

    def __init__(self, folder: Path, layers: Sequence[Path] = (BASE,), boot: bool = True, options: Sequence[str] = ()):
        self._folder, self._options = folder, options
        self.upper, self.root = folder / "upper", folder / "root"
        folder.mkdir(parents=True, exist_ok=True)
        # Use memory: a release has thousands of files, which are then removed at once with the machine.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3G", "machine", str(folder)], check=True)
        for each in (self.upper, folder / "work", self.root):
            each.mkdir(parents=True, exist_ok=True)
        lower = ":".join(map(str, layers))
        overlay = f"lowerdir={lower},upperdir={self.upper},workdir={folder / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", overlay, str(self.root)], check=True)
        self.leader = 0
        if boot:
            self.boot()

    def boot(self) -> None:
        """Boot the machine, and return when systemd has started everything."""
        for _ in range(2):  # on a busy machine the script may look for the child process too early
            done = subprocess.run([BOOT, self.root, *self._options], capture_output=True, text=True, timeout=90)
            if done.stdout.strip().isdigit():
                self.leader = int(done.stdout)
                return
        raise AssertionError(f"the machine does not boot: {done.stdout} {done.stderr}")

    def power_off(self) -> None:
        """Power off the machine in an orderly way."""
        if self.leader:
            self.run("systemctl poweroff", check=False)
            wait_until(lambda: not Path(f"/proc/{self.leader}").exists(), "the machine powers off", 90)
            self.leader = 0

    def unmount(self) -> None:
        """Power off the machine if it is still running, and discard what it wrote."""
        if self.leader or os.path.ismount(self.root):
            self.shut_down()
        _umount(self._folder)

    def shut_down(self) -> None:
        """Power off the machine; what it wrote stays in `upper`, as a layer for other machines."""
        self.power_off()
        _umount(self.root)

    def run(self, command: str, *, check: bool = True, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root in the clone; `stdout` has both standard output and standard error."""
        if not Path(f"/proc/{self.leader}").exists():
            raise AssertionError("the machine is not running")
        done = subprocess.run(
            ["nsenter", "-t", str(self.leader), "-a", *_shell(f"cd {CLONE} 2>/dev/null; {command}")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s,
        )  # fmt: skip
        assert not check or done.returncode == 0, (
            f"{command}: status {done.returncode}\n{done.stdout}\n{self.journal()}"
        )
        return done

    def run_unbooted(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root in the clone of a machine that is not booted."""
        return subprocess.run(
            ["chroot", str(self.root), *_shell(f"cd {CLONE}; {command}")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
        )  # fmt: skip

    def property(self, name: str) -> str:
        """Return a property of the service from systemd."""
        return self.run(f"systemctl show -P {name} appliance").stdout.strip()

    def journal(self) -> str:
        """Return the journal of the service, with systemd's messages about it."""
        return self.run("journalctl -u appliance -o cat --no-pager", check=False).stdout if self.leader else ""

    def wait_for_log(self, text: str, count: int = 1, deadline_s: float = 60) -> None:
        """Wait until the service's journal contains `text`."""
        wait_until(
            lambda: self.journal().count(text) >= count, f"{text!r} in the journal: {self.journal()}", deadline_s
        )

    def topic(self, topic: str, seconds: int = 30) -> str:
        """Return the next message on a topic of the machine's own broker."""
        return self.run(f"mosquitto_sub -t {shlex.quote(topic)} -C 1 -W {seconds}").stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the machine."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def read(self, path: str) -> str:
        """Return the text of a file in the machine."""
        return (self.root / path.lstrip("/")).read_text()

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        """Replace strings in a file; each must be present."""
        text = self.read(path)
        for old, new in changes:
            assert old in text, f"{path} does not contain {old!r}"
            text = text.replace(old, new)
        self.write(path, text, (self.root / path.lstrip("/")).stat().st_mode & 0o7777)


def put_clone(machine: Machine) -> None:
    """Copy this clone into the machine, as git would."""
    target = machine.root / CLONE.lstrip("/")
    target.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / part)


def wheels(*extras: str) -> Path:
    """Return the folder of wheels for the machine, with extras, which is made once for each lock file."""
    made_from = subprocess.run(
        "cat scripts/locks/py311-numpy1.txt pyproject.toml scripts/lib/fetch_wheels.py | sha256sum | cut -c1-12",
        shell=True, cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    folder = CACHE / "-".join(["wheels", made_from, *extras])
    if not (folder / "lock").exists():
        options = [option for extra in extras for option in ("--with", extra)]
        subprocess.run(
            [ROOT / "scripts/wheels", folder, "--device", "bookworm", "--machine", "x86_64", *options], check=True
        )
        keep_newest(CACHE, "-".join(["wheels", "[0-9a-f]{12}", *map(re.escape, extras)]))
    return note_use(folder)


def _umount(folder: Path) -> None:
    """Unmount a folder, and wait for the last processes of a machine, which end a moment after it."""
    wait_until(
        lambda: not subprocess.run(["umount", folder], capture_output=True).returncode, f"no process uses {folder}", 30
    )


def _shell(command: str) -> list[str]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return ["env", "-i", "HOME=/root", "TERM=dumb", "LANG=C.UTF-8", f"PATH={path}", "bash", "-c", command]
