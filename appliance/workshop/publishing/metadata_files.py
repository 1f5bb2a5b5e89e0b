"""Read a site's signed metadata from its folder, and verify that its parts belong together."""

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from appliance.errors import PublishError
from appliance.repository.client import parse_signing_time
from appliance.system.foreign_text import clean_text
from appliance.workshop.publishing.keys import ROOT

TYPES: dict[str, type[Any]] = {ROOT: Root, "targets": Targets, "snapshot": Snapshot, "timestamp": Timestamp}
TIMESTAMP_NAME = "timestamp.json"
ROOT_VERSION = "root_version"
"""The field of the timestamp with the version of the newest root when it was signed."""

_MAX_REASON = 200


class MetadataFiles:
    """The folder `metadata` of a site."""

    def __init__(self, site: Path) -> None:
        """Remember the folder; read nothing yet."""
        self.site, self.folder = site, site / "metadata"

    @property
    def timestamp(self) -> Path:
        """The only file that changes under the same name."""
        return self.folder / TIMESTAMP_NAME

    def get_file(self, role: str, version: int) -> Path:
        """Return the path of one version of a role's metadata."""
        return self.folder / f"{version}.{role}.json"

    def list_versions(self, role: str) -> list[int]:
        """Return the versions of a role whose files exist, in ascending order."""
        matches = (
            re.fullmatch(rf"([1-9][0-9]{{0,8}})\.{role}\.json", file.name) for file in self.folder.glob("*.json")
        )
        return sorted(int(match[1]) for match in matches if match)

    def read_roles(self) -> dict[str, Metadata[Any]]:
        """Read the newest metadata of all roles, and verify versions, hashes, and signatures.

        Raises:
            PublishError: There is no repository, or it is incomplete or was modified.
        """
        versions = self.list_versions(ROOT)
        if not versions:
            raise PublishError(f"{self.site} contains no repository yet; create one with `publish init`")
        root = self._load(ROOT, self.get_file(ROOT, versions[-1]))
        if versions == [1] and not self.timestamp.exists():
            raise PublishError(
                f"{self.timestamp} is missing; if `publish init` was interrupted, run it again with the same keys, or "
                "else restore the site from a complete copy (publish pull)"
            )
        timestamp = self._load("timestamp", self.timestamp)
        snapshot = self._load_described("snapshot", timestamp.signed.snapshot_meta)
        if "targets.json" not in snapshot.signed.meta:
            raise PublishError(f"{self.folder}: the snapshot does not list targets.json; restore the site from a copy")
        targets = self._load_described("targets", snapshot.signed.meta["targets.json"])
        roles = {ROOT: root, "timestamp": timestamp, "snapshot": snapshot, "targets": targets}
        for role, metadata in roles.items():
            try:
                root.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
            except RepositoryError as error:
                raise PublishError(
                    f"{self.folder}: the {role} metadata is not signed with its keys: {_clean(error)}"
                ) from error
        return roles

    def read_roots(self) -> list[Metadata[Root]]:
        """Return all versions of the root that exist, the oldest first."""
        return [self._load(ROOT, self.get_file(ROOT, version)) for version in self.list_versions(ROOT)]

    def _load_described(self, role: str, description: MetaFile) -> Metadata[Any]:
        """Load the metadata that other metadata describes by its version and hash."""
        file = self.get_file(role, description.version)
        metadata = self._load(role, file)
        sha256 = (description.hashes or {}).get("sha256")
        if description.hashes and hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            raise PublishError(f"{file} is not the file that was signed; restore the site from a complete copy")
        return metadata

    def _load(self, role: str, file: Path) -> Metadata[Any]:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise PublishError(f"{file} is missing; restore the site from a complete copy (publish pull)") from None
        except OSError as error:
            raise PublishError(f"{file} cannot be read: {_clean(error)}") from error
        return parse_metadata(content, role, str(file))


def parse_metadata(content: bytes, role: str, source: str) -> Metadata[Any]:
    """Parse the metadata of a role; its signatures are not verified.

    Args:
        content: The file.
        role: root, targets, snapshot, or timestamp.
        source: How to refer to the file in errors.

    Raises:
        PublishError: It is not metadata of this role.
    """
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(content)
        is_role = isinstance(metadata.signed, TYPES[role])
    except (RepositoryError, RecursionError) as error:
        raise PublishError(f"{source} cannot be read: {_clean(error)}") from error
    if not is_role:
        raise PublishError(f"{source} is not {role} metadata")
    return metadata


def encode_metadata(metadata: Metadata[Any]) -> bytes:
    """Return the file of signed metadata."""
    return metadata.to_bytes(JSONSerializer(compact=True))


def describe_file(signed: Signed, content: bytes) -> MetaFile:
    """Return the entry by which other metadata refers to a file."""
    return MetaFile(signed.version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def find_signing_time(content: bytes) -> datetime | None:
    """Return when timestamp metadata was signed; None if it does not contain that."""
    return parse_signing_time(content)


def _clean(error: Exception) -> str:
    return clean_text(str(error), _MAX_REASON)
