"""Helpers with which the tests of publishing read a site."""

from pathlib import Path

from appliance.workshop.publishing.inspection import check_site


def list_faults(site: Path | str, root: Path | None = None) -> list[str]:
    """Return the messages of failed checks."""
    return [finding.message for finding in check_site(str(site), root) if not finding.is_ok]


def read_files(folder: Path) -> dict[str, bytes]:
    """Return path → content for every file in a folder and its subfolders."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
