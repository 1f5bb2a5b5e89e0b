#!/usr/bin/env python3
"""Download the wheels that a device needs: the core dependencies in pyproject.toml and their dependencies.

The lock files also contain the packages of the tests, the demo, and the workshop, which a device does not need.
Therefore this script starts with the core dependencies, downloads them in the locked versions, reads their requirements
from the wheels, and repeats this until nothing new is required. Every file is checked against the hashes in the lock
file before it is opened.

A wheel that is already in the folder and has one of the locked hashes is not downloaded again, so if the lock has not
changed, no network is needed.

Afterward, the file `lock` in the folder contains the name of the lock file. With --list, nothing is downloaded; the
wheels must already be in the folder. FILE then lists exactly the wheels that this device needs, with their versions and
hashes from the lock file, for `pip install --no-index --find-links FOLDER --no-deps --require-hashes -r FILE`.

The script needs only a Python with pip.
"""

import argparse
import email
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

try:  # pip's own copies, because a new virtual environment contains only pip
    from pip._vendor.packaging.markers import default_environment
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename
except ImportError:
    sys.exit(
        f"fetch_wheels: {sys.executable} has no pip; install python3-venv, or use the Python of a virtual environment"
    )

ROOT = Path(__file__).resolve().parents[2]
# The minor version of glibc in Bookworm, the oldest supported system; wheels for an older glibc run on it too.
NEWEST_GLIBC = 36


def main() -> int:
    """Fill the folder and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lock", help="py311, py311-numpy1 or py313")
    parser.add_argument("folder", type=Path, help="the folder for the wheels")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="leave out this package, because it is already installed on the system",
    )
    parser.add_argument(
        "--machine", choices=["x86_64", "aarch64"], help="the device's processor (default: this machine's)"
    )
    parser.add_argument("--python", metavar="3.X", help="the device's Python (default: this one)")
    parser.add_argument(
        "--extra", action="append", default=[], metavar="NAME", help="also include this extra of pyproject.toml"
    )
    parser.add_argument("--prune", action="store_true", help="remove wheels that this device does not need")
    parser.add_argument(
        "--list",
        type=Path,
        metavar="FILE",
        help="download nothing; write the requirements of this device to FILE",
    )
    arguments = parser.parse_args()
    lock = read_lock(ROOT / "scripts/locks" / f"{arguments.lock}.txt")
    environment, target = resolve_target(arguments.machine, arguments.python)
    folder = arguments.folder

    def obtain(lines: dict[str, str]) -> None:
        if arguments.list:
            if missing := sorted(name for name, line in lines.items() if not is_present(folder, name, line)):
                raise SystemExit(f"fetch_wheels: {folder} contains no wheel of {', '.join(missing)}")
        else:
            download([line for name, line in lines.items() if not is_present(folder, name, line)], folder, target)

    left_out = {canonicalize_name(name) for name in arguments.without}
    wanted = read_direct_requirements(arguments.extra, environment)
    chosen = collect_closure(lock, folder, wanted, left_out, environment, obtain)
    if arguments.list:
        arguments.list.write_text("".join(chosen[name] for name in sorted(chosen)), encoding="utf-8")
    else:
        (folder / "lock").write_text(f"{arguments.lock}\n", encoding="utf-8")
        if arguments.prune:
            kept = {
                wheel
                for name, entry in chosen.items()
                for wheel in find_wheels(folder, {name})
                if has_hash(wheel, entry)
            }
            for wheel in set(folder.glob("*.whl")) - kept:
                wheel.unlink()
    return 0


def read_direct_requirements(extras: list[str], environment: dict[str, str]) -> list[Requirement]:
    """Return the requirements of the program, with those of its extras, on this device."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return select_requirements(lines, environment, {""})


def select_requirements(lines: list[str], environment: dict[str, str], extras: set[str]) -> list[Requirement]:
    """Return the requirements whose marker is true in this environment with one of these extras."""
    requirements = [Requirement(line) for line in lines]
    return [
        each
        for each in requirements
        if each.marker is None or any(each.marker.evaluate({**environment, "extra": extra}) for extra in extras)
    ]


def resolve_target(machine: str | None, python: str | None) -> tuple[dict[str, str], list[str]]:
    """Return the marker environment and pip's options for a device with this processor and this Python."""
    environment, target = default_environment(), []
    if machine or python:
        machine, python = machine or environment["platform_machine"], python or environment["python_version"]
        environment |= {"platform_machine": machine, "python_version": python, "python_full_version": f"{python}.0"}
        # pip accepts platforms in order of preference, and has no option for "this version or older".
        target = ["--python-version", python, "--implementation", "cp"]
        for minor in range(NEWEST_GLIBC, 16, -1):
            target += ["--platform", f"manylinux_2_{minor}_{machine}"]
        target += ["--platform", f"manylinux2014_{machine}"]
    return environment, target


def collect_closure(
    lock: dict[str, list[str]],
    folder: Path,
    requirements: list[Requirement],
    left_out: set[str],
    environment: dict[str, str],
    obtain: Callable[[dict[str, str]], None],
) -> dict[str, str]:
    """Return the lock entry of each required package; `obtain` puts the wheels of the given entries into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, str] = {}
    extras: dict[str, set[str]] = {}  # those that were followed
    while requirements:
        # An extra of a package that is there already may require more packages.
        new = set()
        for each in requirements:
            name = canonicalize_name(each.name)
            if name not in left_out and not {"", *each.extras} <= extras.get(name, set()):
                extras.setdefault(name, set()).update({"", *each.extras})
                new.add(name)
        lines = {name: select_entry(lock, name, environment) for name in new - chosen.keys()}
        obtain(lines)
        chosen |= lines
        requirements = [
            requirement
            for name in new
            for wheel in find_wheels(folder, {name})
            if has_hash(wheel, chosen[name])
            for requirement in read_requirements(wheel, environment, extras[name])
        ]
    return chosen


def read_lock(lock: Path) -> dict[str, list[str]]:
    """Return the lock entries of each package, with hashes; several if they have different markers."""
    entries: dict[str, list[str]] = {}
    for entry in re.findall(r"^[a-z0-9][^\n]*(?:\n[ \t]+[^\n]*)*\n", lock.read_text(encoding="utf-8"), re.MULTILINE):
        name = canonicalize_name(re.match(r"[A-Za-z0-9._-]+", entry)[0])
        entries.setdefault(name, []).append(entry)
    return entries


def select_entry(lock: dict[str, list[str]], name: str, environment: dict[str, str]) -> str:
    """Return the lock entry of a package whose marker is true in this environment."""
    for entry in lock.get(name, ()):
        marker = Requirement(entry.split("\\")[0].split("--hash")[0].strip()).marker
        if marker is None or marker.evaluate(environment):
            return entry
    raise SystemExit(f"fetch_wheels: {name} is required but is not in the lock file; run scripts/lock")


def download(lines: list[str], folder: Path, target: list[str]) -> None:
    """Download the wheels of these entries, each checked against its hashes."""
    if not lines:
        return
    # Remove the markers, which were already evaluated for the device: pip would evaluate them for this machine.
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
            "fetch_wheels: the packages could not be downloaded; see pip's message above and check the network"
        )


def has_hash(wheel: Path, entry: str) -> bool:
    """Return whether a wheel has one of the hashes of a lock entry."""
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"sha256:{digest}" in entry


def is_present(folder: Path, name: str, entry: str) -> bool:
    """Return whether a wheel of this lock entry is in the folder."""
    return any(has_hash(wheel, entry) for wheel in find_wheels(folder, {name}))


def find_wheels(folder: Path, names: set[str]) -> list[Path]:
    """Return the wheels of these packages."""
    return [wheel for wheel in folder.glob("*.whl") if parse_wheel_filename(wheel.name)[0] in names]


def read_requirements(wheel: Path, environment: dict[str, str], extras: set[str]) -> list[Requirement]:
    """Return what a wheel requires in this environment with these extras."""
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = email.message_from_bytes(archive.read(inside))
    return select_requirements(metadata.get_all("Requires-Dist", []), environment, extras)


if __name__ == "__main__":
    sys.exit(main())
