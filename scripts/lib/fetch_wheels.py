#!/usr/bin/env python3
"""Downloads the wheels that a device needs: the core dependencies in pyproject.toml, and what those need in turn.

The locks hold the packages of the tests, the demo and the workshop too, and a device wants none of them. So this
begins with the core dependencies, downloads them in the locked versions, reads in the wheels what they ask for, and
goes on until nothing new is asked for. Every file is checked against the lock's hashes before it is opened.

The folder then holds `lock`, the lock's name. With --list nothing is downloaded: the wheels are there, and FILE becomes
exactly what this device needs of them, with the lock's versions and hashes, for
`pip install --no-index --find-links FOLDER --no-deps --require-hashes -r FILE`.

Needs a Python with pip, and nothing else.
"""

import argparse
import email
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

try:  # pip's own copies: a fresh virtual environment holds nothing but pip
    from pip._vendor.packaging.markers import default_environment
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename
except ImportError:
    sys.exit(
        f"fetch_wheels: {sys.executable} has no pip; install python3-venv, or take the Python of a virtual environment"
    )

ROOT = Path(__file__).resolve().parents[2]
# The C library of Bookworm, the oldest system that is supported; a wheel for an older one runs on it too.
NEWEST_GLIBC = 36


def main() -> int:
    """Fills the folder; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lock", help="py311, py311-numpy1 or py313")
    parser.add_argument("folder", type=Path, help="where the wheels go")
    parser.add_argument("--without", action="append", default=[], metavar="PACKAGE", help="the system has it already")
    parser.add_argument(
        "--machine", choices=["x86_64", "aarch64"], help="the device's processor (default: this machine's)"
    )
    parser.add_argument("--python", metavar="3.X", help="the device's Python (default: this one)")
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="download nothing: write what is needed of the folder to FILE"
    )
    arguments = parser.parse_args()
    lock = locked(ROOT / "scripts/locks" / f"{arguments.lock}.txt")
    environment, target = target_of(arguments.machine, arguments.python)
    folder = arguments.folder

    def obtain(lines: dict[str, str]) -> None:
        if arguments.list:
            if missing := sorted(name for name in lines if not wheels(folder, {name})):
                raise SystemExit(f"fetch_wheels: {folder} has no wheel of {', '.join(missing)}")
        else:
            download(list(lines.values()), folder, target)

    chosen = closure(lock, folder, {canonicalize_name(name) for name in arguments.without}, environment, obtain)
    if arguments.list:
        arguments.list.write_text("".join(chosen[name] for name in sorted(chosen)), encoding="utf-8")
    else:
        (folder / "lock").write_text(f"{arguments.lock}\n", encoding="utf-8")
    return 0


def target_of(machine: str | None, python: str | None) -> tuple[dict[str, str], list[str]]:
    """What markers are asked about, and pip's options, for a device with this processor and this Python."""
    environment, target = default_environment(), []
    if machine or python:
        machine, python = machine or environment["platform_machine"], python or environment["python_version"]
        environment |= {"platform_machine": machine, "python_version": python, "python_full_version": f"{python}.0"}
        # pip takes the platforms in the order of preference, and knows no "up to".
        target = ["--python-version", python, "--implementation", "cp"]
        for minor in range(NEWEST_GLIBC, 16, -1):
            target += ["--platform", f"manylinux_2_{minor}_{machine}"]
        target += ["--platform", f"manylinux2014_{machine}"]
    return environment, target


def closure(
    lock: dict[str, list[str]],
    folder: Path,
    left_out: set[str],
    environment: dict[str, str],
    obtain: Callable[[dict[str, str]], None],
) -> dict[str, str]:
    """For each package that is needed: the lock's entry. `obtain` sees to it that the wheels of some entries are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    core = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    wanted = {canonicalize_name(Requirement(line).name) for line in core} - left_out
    chosen: dict[str, str] = {}
    while new := wanted - chosen.keys():
        lines = {name: chosen_entry(lock, name, environment) for name in new}
        obtain(lines)
        chosen |= lines
        wanted |= {name for wheel in wheels(folder, new) for name in asked_for(wheel, environment)} - left_out
    return chosen


def locked(lock: Path) -> dict[str, list[str]]:
    """For each package of a lock: its entries, each with its hashes (several where a marker tells which one holds)."""
    entries: dict[str, list[str]] = {}
    for entry in re.findall(r"^[a-z0-9][^\n]*(?:\n[ \t]+[^\n]*)*\n", lock.read_text(encoding="utf-8"), re.MULTILINE):
        name = canonicalize_name(re.match(r"[A-Za-z0-9._-]+", entry)[0])
        entries.setdefault(name, []).append(entry)
    return entries


def chosen_entry(lock: dict[str, list[str]], name: str, environment: dict[str, str]) -> str:
    """The lock's entry for this package that holds in this environment."""
    for entry in lock.get(name, ()):
        marker = Requirement(entry.split("\\")[0].split("--hash")[0].strip()).marker
        if marker is None or marker.evaluate(environment):
            return entry
    raise SystemExit(f"fetch_wheels: {name} is needed and not locked; the maintainer runs scripts/lock")


def download(lines: list[str], folder: Path, target: list[str]) -> None:
    """Downloads the wheels of these entries, each checked against its hashes."""
    # Markers were looked at already, and pip would look at them with this machine's eyes.
    plain = [re.sub(r"^([^;\n\\]+?)\s*;[^\\\n]*", r"\1 ", line) for line in lines]
    listed = folder / "wanted.txt"
    listed.write_text("".join(plain), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]
    command += ["--only-binary", ":all:", "--dest", str(folder), *target, "-r", str(listed)]
    done = subprocess.run(command, check=False)
    listed.unlink()
    if done.returncode:
        raise SystemExit(
            "fetch_wheels: the packages could not be downloaded; see pip's message above. Is there a network?"
        )


def wheels(folder: Path, names: set[str]) -> list[Path]:
    """The wheels of these packages."""
    return [wheel for wheel in folder.glob("*.whl") if parse_wheel_filename(wheel.name)[0] in names]


def asked_for(wheel: Path, environment: dict[str, str]) -> set[str]:
    """What a wheel's metadata asks for in this environment, without extras."""
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = email.message_from_bytes(archive.read(inside))
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    return {
        canonicalize_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate({**environment, "extra": ""})
    }


if __name__ == "__main__":
    sys.exit(main())
