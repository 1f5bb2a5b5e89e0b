"""Compare the locked versions with published vulnerabilities; scripts/audit runs this.

The list in scripts/locks/advisories.toml makes the check reproducible without a network. With --online, every locked
version is looked up in the database osv.dev, whose API is described at https://google.github.io/osv.dev/api/.
"""

import argparse
import datetime
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import requests
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

LOCKS = Path(__file__).resolve().parents[1] / "locks"
DATABASE = "https://api.osv.dev/v1/querybatch"
# After the first, the check warns; after the second, it fails.
DUE_AFTER_DAYS, MAX_AGE_DAYS = 30, 120
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


class DatabaseError(Exception):
    """The database cannot be asked now; the text gives the reason."""


def main() -> int:
    """Print every finding and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--online", action="store_true", help="also ask the database")
    parser.add_argument("--locks", type=Path, default=LOCKS, help="the folder of the locks and the list")
    parser.add_argument("--database", default=DATABASE, help="the address of the database")
    parser.add_argument("--today", type=datetime.date.fromisoformat, default=datetime.date.today())  # noqa: DTZ011 - a date
    arguments = parser.parse_args()
    listed = tomllib.loads((arguments.locks / "advisories.toml").read_text(encoding="utf-8"))
    locked = {path.name: read_versions(path) for path in sorted(arguments.locks.glob("*.txt"))}
    findings = find_listed(locked, listed["advisory"])
    remedy = "run scripts/audit --online, add what it finds, and set `checked`"
    age = (arguments.today - listed["checked"]).days
    if age > MAX_AGE_DAYS:
        findings.append(f"the list is {age} days old; {remedy}")
    elif age > DUE_AFTER_DAYS:
        print(
            f"audit: warning: the list is {age} days old, and after {MAX_AGE_DAYS} this fails; {remedy}",
            file=sys.stderr,
        )
    unasked = None
    if arguments.online:
        try:
            findings += find_unlisted(locked, listed["advisory"], arguments.database)
        except DatabaseError as error:
            unasked = str(error)
    for finding in [*findings, *([unasked] if unasked else [])]:
        print(f"audit: {finding}", file=sys.stderr)
    if unasked and not findings:
        return 2
    if not findings:
        count = len({entry for versions in locked.values() for entry in versions})
        known = f"{len(listed['advisory'])} advisories of {listed['checked']}"
        print(
            f"audit: {count} locked versions, {known}{' and the database' if arguments.online else ''}: nothing found"
        )
    return 1 if findings else 0


def read_versions(lock: Path) -> set[tuple[str, str]]:
    """Return the names and versions in a lock."""
    return {(canonicalize_name(name), version) for name, version in _LOCKED.findall(lock.read_text(encoding="utf-8"))}


def find_listed(locked: dict[str, set[tuple[str, str]]], advisories: list[dict[str, Any]]) -> list[str]:
    """Return a line for each locked version that an advisory affects, unless that is accepted."""
    return [
        f"{lock}: {name} {version} is affected by {advisory['id']} ({advisory['affected']})"
        for lock, versions in locked.items()
        for name, version in sorted(versions)
        for advisory in advisories
        if advisory["package"] == name
        and "accepted" not in advisory
        and SpecifierSet(advisory["affected"]).contains(version, prereleases=True)
    ]


def find_unlisted(
    locked: dict[str, set[tuple[str, str]]], advisories: list[dict[str, Any]], database: str
) -> list[str]:
    """Return a line for each locked version for which the database knows something that is not accepted in the list.

    Raises:
        DatabaseError: The database cannot be asked.
    """
    entries = sorted({entry for versions in locked.values() for entry in versions})
    queries = [{"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version in entries]
    try:
        answer = requests.post(database, json={"queries": queries}, timeout=60)
        answer.raise_for_status()
        results = answer.json()["results"]
    except (requests.RequestException, ValueError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DatabaseError(f"the database {database} cannot be asked ({reason}); try again with a network") from error
    accepted = {advisory["id"] for advisory in advisories if "accepted" in advisory}
    return [
        f"{name} {version} is affected by {found['id']}, see https://osv.dev/{found['id']}; update the lock, or add it "
        "to scripts/locks/advisories.toml"
        for (name, version), result in zip(entries, results, strict=True)
        for found in result.get("vulns", [])
        if found["id"] not in accepted
    ]


if __name__ == "__main__":
    sys.exit(main())
