"""Change and write a site's signed metadata, for the operator.

Files are written in the only order in which a device always finds a complete repository, either the old or the new one,
even between two writes or after an interruption: the targets, then the metadata that refers to them by version, then
timestamp.json, which makes the change visible, and a new root last. While keys are replaced, both old and new keys
sign, so that both roots can verify the metadata. A file whose name contains a version or a hash is never rewritten with
different bytes, so caches may keep it forever.
"""

import copy
import hashlib
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from appliance.errors import PublishError
from appliance.repository.client import SIGNED_AT
from appliance.system.timestamps import to_rfc3339
from appliance.workshop.publishing.keys import ROLES, ROOT, CryptoSigner, KeyFolder
from appliance.workshop.publishing.metadata_files import (
    ROOT_VERSION,
    TYPES,
    MetadataFiles,
    describe_file,
    encode_metadata,
    find_signing_time,
    parse_metadata,
)
from appliance.workshop.publishing.seen_versions import SeenVersion, SeenVersions
from appliance.workshop.publishing.site_files import WriteFile, lock_folder, write_public
from appliance.workshop.publishing.site_values import RoleState, SiteTarget

ROOT_LIFETIME = timedelta(days=365)
DEFAULT_LIFETIME = timedelta(days=90)

# The field of the targets with the hashes of the targets that were removed.
_REMOVED = "removed"
_Kind = TypeVar("_Kind", Root, Targets, Snapshot, Timestamp)


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
            self._roles = self._files.read_roles()
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

    @property
    def files(self) -> MetadataFiles:
        """The files of its metadata."""
        return self._files

    @property
    def signed_at(self) -> datetime | None:
        """When it was signed; None if it does not contain that."""
        return find_signing_time(self._files.timestamp.read_bytes())

    def read_first_root(self) -> bytes:
        """Return the oldest root metadata."""
        return self._files.get_file(ROOT, self._files.list_versions(ROOT)[0]).read_bytes()

    def read_versions(self) -> dict[str, SeenVersion]:
        """Return the version and the hash of the newest metadata of each role."""
        versions = {role: self._roles[role].signed.version for role in (ROOT, *ROLES)}
        return {
            role: SeenVersion.of(
                version,
                (self._files.timestamp if role == "timestamp" else self._files.get_file(role, version)).read_bytes(),
            )
            for role, version in versions.items()
        }

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

    def remove(self, path: str) -> None:
        """Remove a target from the targets, and remember its hash; its file stays until it is pruned."""
        targets = self._get_signed(Targets)
        removed = targets.targets.pop(path)
        targets.unrecognized_fields[_REMOVED] = self._get_removed() | {path: removed.hashes["sha256"]}

    def find_removed_hash(self, path: str) -> str | None:
        """Return the SHA-256 of a target that was removed, so that its name never stands for other bytes."""
        sha256 = self._get_removed().get(path)
        return sha256 if isinstance(sha256, str) else None

    def raise_versions(self, seen: SeenVersions) -> None:
        """Sign above the versions that devices may have seen from another copy of the site."""
        self._floors.update({role: entry.version for role, entry in seen.items()})

    def require_keys(self, keys: KeyFolder) -> None:
        """Raise PublishError if a key for `publish` is missing, before anything is changed."""
        for role in ROLES:
            self._load_signers(keys, role)

    def publish(self, keys: KeyFolder, now: datetime, lifetime: timedelta = DEFAULT_LIFETIME) -> None:
        """Sign and write targets, snapshot, and timestamp; the last one makes the change visible to devices.

        Raises:
            PublishError: A key is missing; no metadata was written.
        """
        signers = {role: [*self._load_signers(keys, role), *self._load_retired(keys, role)] for role in ROLES}
        self._publish(signers, now, lifetime)

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
        old = {
            role: [*self._load_signers(keys, role, skip_missing=role in roles), *self._load_retired(keys, role)]
            for role in ROLES
        }
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
            root = self._find_interrupted_root(keys)
            if root is None:
                root = Root(consistent_snapshot=True)
                for role in (ROOT, *ROLES):
                    root.add_key(keys.create(role).public_key, role)
            root.expires = now.replace(microsecond=0) + ROOT_LIFETIME
            self._roles = {ROOT: Metadata(root)} | {role: Metadata(TYPES[role](expires=now)) for role in ROLES}
            self._sign(self._roles[ROOT], self._load_signers(keys, ROOT))
            for role in ROLES:
                self._roles[role].signed.version = 0
            # No device uses this site yet, so the root, with which everything else is verified, can be written first.
            self._write_root(keys)
            self.publish(keys, now, lifetime)
        except BaseException:
            self.close()
            raise

    def _find_interrupted_root(self, keys: KeyFolder) -> Root | None:
        """Return the root of a creation that was interrupted, whose keys are used; None if nothing was written.

        Raises:
            PublishError: The folder already contains a repository, or the keys are elsewhere.
        """
        if not any(self._files.folder.glob("*.json")):
            return None
        first = self._files.get_file(ROOT, 1)
        if self._files.timestamp.exists() or self._files.list_versions(ROOT) != [1]:
            raise PublishError(
                f"{self.folder} already contains a repository, and devices with its root would not accept a new "
                "one; if there are no devices yet, delete the folder and the keys, and try again"
            )
        root: Root = parse_metadata(first.read_bytes(), ROOT, str(first)).signed
        if not all(keys.has(role, root.keys[keyid]) for role in (ROOT, *ROLES) for keyid in root.roles[role].keyids):
            raise PublishError(
                f"{first} is from an init that was interrupted, and its keys are not in {keys.folder}; pass their "
                f"folder with --keys, or delete {self._files.folder}, and try again"
            )
        return root

    def _attach(self, folder: Path, write: WriteFile) -> None:
        self.folder, self._write, self._files = folder, write, MetadataFiles(folder)
        self._floors: dict[str, int] = {}
        self._lock = lock_folder(folder)

    def _publish(self, signers: dict[str, list[CryptoSigner]], now: datetime, lifetime: timedelta) -> None:
        now = now.replace(microsecond=0)
        versions = {role: self._find_next_version(role) for role in ROLES}
        for role in ROLES:
            signed = self._roles[role].signed
            signed.version = versions[role]
            signed.expires = now + lifetime
        targets = self._sign(self._roles["targets"], signers["targets"])
        self._get_signed(Snapshot).meta = {"targets.json": describe_file(self._get_signed(Targets), targets)}
        snapshot = self._sign(self._roles["snapshot"], signers["snapshot"])
        timestamp = self._get_signed(Timestamp)
        timestamp.snapshot_meta = describe_file(self._get_signed(Snapshot), snapshot)
        # During a rotation, this is still the old root, because the new one is written last.
        timestamp.unrecognized_fields[ROOT_VERSION] = self._get_signed(Root).version
        timestamp.unrecognized_fields[SIGNED_AT] = to_rfc3339(now.timestamp(), "seconds")
        last = self._sign(self._roles["timestamp"], signers["timestamp"])
        self._write(self._files.get_file("targets", versions["targets"]), targets)
        self._write(self._files.get_file("snapshot", versions["snapshot"]), snapshot)
        self._write(self._files.timestamp, last)

    def _write_root(self, keys: KeyFolder) -> None:
        root = self._roles[ROOT]
        content = encode_metadata(root)
        self._write(self._files.get_file(ROOT, root.signed.version), content)
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

    def _load_retired(self, keys: KeyFolder, role: str) -> list[CryptoSigner]:
        """Return the available keys of earlier roots: devices that do not have the newest root yet trust only these."""
        current = self._get_signed(Root).roles[role].keyids
        earlier = {
            keyid: root.signed.keys[keyid]
            for root in self._files.read_roots()
            for keyid in root.signed.roles[role].keyids
            if keyid not in current
        }
        found = (keys.load_retired(role, key) for key in earlier.values())
        return [signer for signer in found if signer is not None]

    def _get_removed(self) -> dict[str, Any]:
        removed = self._get_signed(Targets).unrecognized_fields.get(_REMOVED)
        return dict(removed) if isinstance(removed, dict) else {}

    def _sign(self, metadata: Metadata[Any], signers: Iterable[CryptoSigner]) -> bytes:
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        return encode_metadata(metadata)

    def _get_signed(self, kind: type[_Kind]) -> _Kind:
        return cast("_Kind", self._roles[kind.type].signed)

    def _find_next_version(self, role: str) -> int:
        """Return a version above that of every file, because caches may contain a file of an interrupted publish."""
        current: int = self._roles[role].signed.version
        return max([current, self._floors.get(role, 0), *self._files.list_versions(role)]) + 1
