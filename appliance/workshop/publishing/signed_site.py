"""Read, change, and write a site's signed metadata, for the operator. Only this module of the workshop imports tuf.

Files are written in the only order in which a device always finds a complete repository, either the old or the new one,
even between two writes or after an interruption: the targets, then the metadata that refers to them by version, then
timestamp.json, which makes the change visible, and a new root last. While keys are replaced, both old and new keys
sign, so that both roots can verify the metadata. A file whose name contains a version or a hash is never rewritten with
different bytes, so caches may keep it forever.
"""

import copy
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from appliance.errors import PublishError
from appliance.repository.client import SIGNED_AT
from appliance.system.timestamps import to_rfc3339
from appliance.workshop.publishing.keys import ROLES, ROOT, CryptoSigner, KeyFolder
from appliance.workshop.publishing.site_files import WriteFile, lock_folder, write_public

ROOT_LIFETIME = timedelta(days=365)
DEFAULT_LIFETIME = timedelta(days=90)

_TYPES: dict[str, type[Any]] = {ROOT: Root, "targets": Targets, "snapshot": Snapshot, "timestamp": Timestamp}
_Kind = TypeVar("_Kind", Root, Targets, Snapshot, Timestamp)


@dataclass(frozen=True, slots=True)
class SiteTarget:
    """A target of the site: its path, size, and hash, and the operator's values (name, version)."""

    path: str
    size_bytes: int
    sha256: str
    custom: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RoleState:
    """The metadata of one role.

    Attributes:
        role: root, targets, snapshot, or timestamp.
        version: The version of its metadata.
        expires: When its metadata expires.
        keys: The ids of its keys.
        have_keys: Whether the private keys are available; None if no key folder was given.
    """

    role: str
    version: int
    expires: datetime
    keys: tuple[str, ...]
    have_keys: bool | None


class SignedSite:
    """One site that is being read or changed; it locks its folder until it is closed."""

    folder: Path

    def __init__(self, folder: Path, write: WriteFile = write_public) -> None:
        """Read a site and verify that its parts belong together; accept expired metadata, so that it can be renewed.

        Args:
            folder: The site.
            write: Writes a file into it.

        Raises:
            PublishError: The folder is not a site, is incomplete, or is locked by another process.
        """
        self._attach(folder, write)
        try:
            self._roles = self._read_roles()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(
        cls,
        folder: Path,
        keys: KeyFolder,
        now: datetime,
        lifetime: timedelta = DEFAULT_LIFETIME,
        write: WriteFile = write_public,
    ) -> Self:
        """Create keys and a repository without targets.

        Raises:
            PublishError: The folder already contains a repository.
        """
        site = cls.__new__(cls)
        site._create(folder, keys, now, lifetime, write)  # noqa: SLF001 - a method of this class
        return site

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock on the site."""
        os.close(self._lock)

    def read_first_root(self) -> bytes:
        """Return the oldest root metadata."""
        return self._get_file(ROOT, min(self._list_versions(ROOT))).read_bytes()

    def list_roles(self, keys: KeyFolder | None = None) -> list[RoleState]:
        """Return the state of each role."""
        root = self._get_signed(Root)
        return [
            RoleState(
                role,
                self._roles[role].signed.version,
                self._roles[role].signed.expires,
                tuple(root.roles[role].keyids),
                None if keys is None else all(keys.has(role, root.keys[keyid]) for keyid in root.roles[role].keyids),
            )
            for role in (ROOT, *ROLES)
        ]

    def list_targets(self) -> list[SiteTarget]:
        """Return all targets of the site."""
        return [
            SiteTarget(path, info.length, info.hashes["sha256"], dict(info.custom or {}))
            for path, info in sorted(self._get_signed(Targets).targets.items())
        ]

    def find_target(self, path: str) -> SiteTarget | None:
        """Return one target; None if there is no target with this path."""
        return next((target for target in self.list_targets() if target.path == path), None)

    def get_target_file(self, path: str, sha256: str) -> Path:
        """Return the path of a target's file; the name contains the hash."""
        relative = Path(path)
        return self.folder / "targets" / relative.parent / f"{sha256}.{relative.name}"

    def put(self, path: str, content: bytes, custom: dict[str, Any] | None = None) -> None:
        """Write a target's file and add it to the targets; devices see it only after `publish`."""
        sha256 = hashlib.sha256(content).hexdigest()
        file = self.get_target_file(path, sha256)
        if not file.is_file() or file.read_bytes() != content:
            self._write(file, content)
        extra = {"custom": custom} if custom else None
        self._get_signed(Targets).targets[path] = TargetFile(len(content), {"sha256": sha256}, path, extra)

    def require_keys(self, keys: KeyFolder) -> None:
        """Raise PublishError if a key for `publish` is missing, before anything is changed."""
        for role in ROLES:
            self._load_signers(keys, role)

    def publish(self, keys: KeyFolder, now: datetime, lifetime: timedelta = DEFAULT_LIFETIME) -> None:
        """Sign and write targets, snapshot, and timestamp; the last one makes the change visible to devices.

        Raises:
            PublishError: A key is missing; no metadata was written.
        """
        self._publish({role: self._load_signers(keys, role) for role in ROLES}, now, lifetime)

    def renew_root(self, keys: KeyFolder, now: datetime) -> None:
        """Sign a new version of the root with its existing keys."""
        signers = self._load_signers(keys, ROOT)
        root = self._create_next_root(now)
        self._sign(root, signers)
        self._roles[ROOT] = root
        self._write_root(keys)

    def rotate(
        self, roles: Iterable[str], keys: KeyFolder, now: datetime, lifetime: timedelta = DEFAULT_LIFETIME
    ) -> list[Path]:
        """Replace the keys of roles; devices accept the new keys because the old root key signs them.

        Returns:
            The new paths of the old keys.

        Raises:
            PublishError: The root key or a key that stays valid is missing; the site was not changed.
        """
        roles = list(roles)
        old_root = self._load_signers(keys, ROOT)
        old = {role: self._load_signers(keys, role, skip_missing=role in roles) for role in ROLES}
        new = {role: keys.create(role) for role in roles}
        root = self._create_next_root(now)
        for role, signer in new.items():
            for keyid in list(root.signed.roles[role].keyids):
                root.signed.revoke_key(keyid, role)
            root.signed.add_key(signer.public_key, role)
        self._sign(root, [*old_root, *(signer for role, signer in new.items() if role == ROOT)])
        self._publish({role: [*old[role], *([new[role]] if role in new else [])] for role in ROLES}, now, lifetime)
        self._roles[ROOT] = root
        self._write_root(keys)
        return [file for role in roles for file in keys.retire(role, set(root.signed.roles[role].keyids))]

    def _create(self, folder: Path, keys: KeyFolder, now: datetime, lifetime: timedelta, write: WriteFile) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._attach(folder, write)
        try:
            if any(self._metadata.glob("*.json")):
                raise PublishError(
                    f"{folder} already contains a repository, and devices with its root would not accept a new "
                    "one; if there are no devices yet, delete the folder and the keys, and try again"
                )
            root = Root(expires=now + ROOT_LIFETIME, consistent_snapshot=True)
            for role in (ROOT, *ROLES):
                root.add_key(keys.create(role).public_key, role)
            self._roles = {ROOT: Metadata(root)} | {role: Metadata(_TYPES[role](expires=now)) for role in ROLES}
            self._sign(self._roles[ROOT], self._load_signers(keys, ROOT))
            for role in ROLES:
                self._roles[role].signed.version = 0
            # No device uses this site yet, so the root, with which everything else is verified, can be written first.
            self._write_root(keys)
            self.publish(keys, now, lifetime)
        except BaseException:
            self.close()
            raise

    def _attach(self, folder: Path, write: WriteFile) -> None:
        self.folder, self._write, self._metadata = folder, write, folder / "metadata"
        self._lock = lock_folder(folder)

    def _publish(self, signers: dict[str, list[CryptoSigner]], now: datetime, lifetime: timedelta) -> None:
        now = now.replace(microsecond=0)
        versions = {role: self._find_next_version(role) for role in ("targets", "snapshot")}
        for role in ROLES:
            signed = self._roles[role].signed
            signed.version = versions.get(role, signed.version + 1)
            signed.expires = now + lifetime
        targets = self._sign(self._roles["targets"], signers["targets"])
        self._get_signed(Snapshot).meta = {"targets.json": _describe_file(self._get_signed(Targets), targets)}
        snapshot = self._sign(self._roles["snapshot"], signers["snapshot"])
        timestamp = self._get_signed(Timestamp)
        timestamp.snapshot_meta = _describe_file(self._get_signed(Snapshot), snapshot)
        timestamp.unrecognized_fields[SIGNED_AT] = to_rfc3339(now.timestamp(), "seconds")
        last = self._sign(self._roles["timestamp"], signers["timestamp"])
        self._write(self._get_file("targets", versions["targets"]), targets)
        self._write(self._get_file("snapshot", versions["snapshot"]), snapshot)
        self._write(self._metadata / "timestamp.json", last)

    def _write_root(self, keys: KeyFolder) -> None:
        root = self._roles[ROOT]
        content = _encode(root)
        self._write(self._get_file(ROOT, root.signed.version), content)
        keys.keep_device_root(content)

    def _create_next_root(self, now: datetime) -> Metadata[Root]:
        root = copy.deepcopy(self._roles[ROOT])
        root.signed.version += 1
        root.signed.expires = now.replace(microsecond=0) + ROOT_LIFETIME
        return root

    def _load_signers(self, keys: KeyFolder, role: str, *, skip_missing: bool = False) -> list[CryptoSigner]:
        """Return the valid keys of a role; `skip_missing` leaves out missing keys, because they will be replaced."""
        root = self._get_signed(Root)
        public_keys = [root.keys[keyid] for keyid in root.roles[role].keyids]
        return [keys.load_signer(role, key) for key in public_keys if not skip_missing or keys.has(role, key)]

    def _sign(self, metadata: Metadata[Any], signers: Iterable[CryptoSigner]) -> bytes:
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        return _encode(metadata)

    def _get_signed(self, kind: type[_Kind]) -> _Kind:
        return cast("_Kind", self._roles[kind.type].signed)

    def _read_roles(self) -> dict[str, Metadata[Any]]:
        """Read the metadata of all roles and verify versions, hashes, and signatures."""
        versions = self._list_versions(ROOT)
        if not versions:
            raise PublishError(f"{self.folder} contains no repository yet; create one with `publish init`")
        root = self._load(ROOT, self._get_file(ROOT, max(versions)))
        timestamp = self._load("timestamp", self._metadata / "timestamp.json")
        snapshot = self._load_described("snapshot", timestamp.signed.snapshot_meta)
        targets = self._load_described("targets", snapshot.signed.meta["targets.json"])
        roles = {ROOT: root, "timestamp": timestamp, "snapshot": snapshot, "targets": targets}
        for role, metadata in roles.items():
            try:
                root.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
            except RepositoryError as error:
                raise PublishError(
                    f"{self._metadata}: the {role} metadata is not signed with its keys: {error}"
                ) from error
        return roles

    def _load_described(self, role: str, description: MetaFile) -> Metadata[Any]:
        """Load the metadata that other metadata describes by its version and hash."""
        file = self._get_file(role, description.version)
        metadata = self._load(role, file)
        sha256 = (description.hashes or {}).get("sha256")
        if description.hashes and hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            raise PublishError(f"{file} is not the file that was signed; restore the site from a complete copy")
        return metadata

    def _load(self, role: str, file: Path) -> Metadata[Any]:
        try:
            metadata: Metadata[Any] = Metadata.from_bytes(file.read_bytes())
        except FileNotFoundError:
            raise PublishError(f"{file} is missing; restore the site from a complete copy") from None
        except (OSError, RepositoryError) as error:
            raise PublishError(f"{file} cannot be read: {error}") from error
        if not isinstance(metadata.signed, _TYPES[role]):
            raise PublishError(f"{file} is not {role} metadata")
        return metadata

    def _get_file(self, role: str, version: int) -> Path:
        return self._metadata / f"{version}.{role}.json"

    def _list_versions(self, role: str) -> list[int]:
        matches = (
            re.fullmatch(rf"([1-9][0-9]{{0,8}})\.{role}\.json", file.name) for file in self._metadata.glob("*.json")
        )
        return [int(match[1]) for match in matches if match]

    def _find_next_version(self, role: str) -> int:
        """Return a version above that of every file, because caches may contain a file of an interrupted publish."""
        current: int = self._roles[role].signed.version
        return max([current, *self._list_versions(role)]) + 1


def _describe_file(signed: Signed, content: bytes) -> MetaFile:
    return MetaFile(signed.version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def _encode(metadata: Metadata[Any]) -> bytes:
    return metadata.to_bytes(JSONSerializer(compact=True))
