"""A site's signed metadata on the operator's side: read, changed and written; the only importer of tuf on this side.

Files are written in the one order in which a device that asks in between, or after an interruption, finds a whole
repository, the old or the new: targets, then the metadata that names them by version, then timestamp.json, which is the
moment of change, and a new root last of all. While keys change, old and new ones sign, so both roots find what they want.
Files whose names carry a version or a hash are never written twice with other bytes, so caches may keep them for ever.
"""

import copy
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from appliance.errors import PublishError
from appliance.repository.client import SIGNED_AT
from appliance.workshop.publishing.keys import ROLES, ROOT, CryptoSigner, KeyFolder
from appliance.workshop.publishing.site_files import Write, locked, write_public

ROOT_LIFETIME = timedelta(days=365)
LIFETIME = timedelta(days=90)
_TYPES: dict[str, type[Signed]] = {ROOT: Root, "targets": Targets, "snapshot": Snapshot, "timestamp": Timestamp}


@dataclass(frozen=True, slots=True)
class SiteTarget:
    """A target of the site: its path, size, hash, and what was written beside it."""

    path: str
    size_bytes: int
    sha256: str
    custom: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RoleState:
    """The metadata of one role: its version, its end, and which of its keys are here (None: no folder was given)."""

    role: str
    version: int
    expires: datetime
    keys: tuple[str, ...]
    have_keys: bool | None


class SignedSite:
    """One site while it is being read or changed. Holds a lock on its folder until it is closed."""

    def __init__(self, folder: Path, write: Write = write_public):
        """Reads a site and checks that its parts belong together; expired ones are fine, they are here to be renewed.

        Args:
            folder: The site.
            write: Puts a file into it.

        Raises:
            PublishError: There is no site, it is not whole, or somebody else is changing it.
        """
        self.folder, self._write = folder, write
        self._metadata = folder / "metadata"
        self._lock = locked(folder)
        try:
            self._roles = self._read()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(
        cls, folder: Path, keys: KeyFolder, now: datetime, lifetime: timedelta = LIFETIME, write: Write = write_public
    ) -> "SignedSite":
        """Makes keys and a repository without targets.

        Raises:
            PublishError: There is one already.
        """
        folder.mkdir(parents=True, exist_ok=True)
        site = cls.__new__(cls)
        site.folder, site._write, site._metadata = folder, write, folder / "metadata"
        site._lock = locked(folder)
        try:
            if any(site._metadata.glob("*.json")):
                raise PublishError(
                    f"{folder} holds a repository already, and devices that came with its root would not follow a new one; "
                    "if there are none yet, delete the folder and the keys, and try again"
                )
            root = Root(expires=now + ROOT_LIFETIME, consistent_snapshot=True)
            for role in (ROOT, *ROLES):
                root.add_key(keys.create(role).public_key, role)
            site._roles = {ROOT: Metadata(root)} | {role: Metadata(_TYPES[role](expires=now)) for role in ROLES}
            site._sign(site._roles[ROOT], site._signers(keys, ROOT))
            for role in ROLES:
                site._roles[role].signed.version = 0
            # Nobody has seen this site yet: the root, which everything else is held against, goes first.
            site._write_root(keys)
            site.publish(keys, now, lifetime)
        except BaseException:
            site.close()
            raise
        return site

    def __enter__(self) -> "SignedSite":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets others change the site."""
        os.close(self._lock)

    @property
    def root_bytes(self) -> bytes:
        """The newest root metadata."""
        return self._file(ROOT, self._roles[ROOT].signed.version).read_bytes()

    def first_root(self) -> bytes:
        """The oldest root metadata."""
        return self._file(ROOT, min(self._versions(ROOT))).read_bytes()

    def states(self, keys: KeyFolder | None = None) -> list[RoleState]:
        """How each role stands."""
        root = self._signed(Root)
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

    def targets(self) -> list[SiteTarget]:
        """Everything that the site vouches for."""
        found = self._signed(Targets).targets.items()
        return [
            SiteTarget(path, info.length, info.hashes["sha256"], dict(info.custom or {}))
            for path, info in sorted(found)
        ]

    def target(self, path: str) -> SiteTarget | None:
        """One target, None where there is none of this name."""
        return next((held for held in self.targets() if held.path == path), None)

    def target_file(self, path: str, sha256: str) -> Path:
        """Where a target's bytes are; its hash is part of the name."""
        place = Path(path)
        return self.folder / "targets" / place.parent / f"{sha256}.{place.name}"

    def put(self, path: str, content: bytes, custom: dict[str, Any] | None = None) -> None:
        """Writes a target's file and names it in the targets to be published; no device sees it before that."""
        sha256 = hashlib.sha256(content).hexdigest()
        file = self.target_file(path, sha256)
        if not file.is_file() or file.read_bytes() != content:
            self._write(file, content)
        more = {"custom": custom} if custom else None
        self._signed(Targets).targets[path] = TargetFile(len(content), {"sha256": sha256}, path, more)

    def require_keys(self, keys: KeyFolder) -> None:
        """Raises PublishError where a key for `publish` is missing, before anything is done."""
        for role in ROLES:
            self._signers(keys, role)

    def publish(self, keys: KeyFolder, now: datetime, lifetime: timedelta = LIFETIME) -> None:
        """Signs targets, snapshot and timestamp anew and writes them; with the last one devices see the change.

        Raises:
            PublishError: A key is missing; no metadata was written.
        """
        self._publish({role: self._signers(keys, role) for role in ROLES}, now, lifetime)

    def renew_root(self, keys: KeyFolder, now: datetime) -> None:
        """Signs the root anew, with the keys it has."""
        signers = self._signers(keys, ROOT)
        root = self._next_root(now)
        self._sign(root, signers)
        self._roles[ROOT] = root
        self._write_root(keys)

    def rotate(
        self, roles: Iterable[str], keys: KeyFolder, now: datetime, lifetime: timedelta = LIFETIME
    ) -> list[Path]:
        """Gives roles new keys; devices follow because the old root key signs for the new ones.

        Returns:
            Where the old keys are now.

        Raises:
            PublishError: The root key is missing, or one that stays in force; nothing was written to the site.
        """
        roles = list(roles)
        old_root = self._signers(keys, ROOT)
        old = {role: self._signers(keys, role, lost=role in roles) for role in ROLES}
        new = {role: keys.create(role) for role in roles}
        root = self._next_root(now)
        for role, signer in new.items():
            for keyid in list(root.signed.roles[role].keyids):
                root.signed.revoke_key(keyid, role)
            root.signed.add_key(signer.public_key, role)
        self._sign(root, [*old_root, *(signer for role, signer in new.items() if role == ROOT)])
        self._publish({role: [*old[role], *([new[role]] if role in new else [])] for role in ROLES}, now, lifetime)
        self._roles[ROOT] = root
        self._write_root(keys)
        return [file for role in roles for file in keys.retire(role, set(root.signed.roles[role].keyids))]

    def _publish(self, signers: dict[str, list[CryptoSigner]], now: datetime, lifetime: timedelta) -> None:
        following = {role: self._next_version(role) for role in ("targets", "snapshot")}
        for role in ROLES:
            signed = self._roles[role].signed
            signed.version = following.get(role, signed.version + 1)
            signed.expires = _whole_seconds(now) + lifetime
        targets = self._sign(self._roles["targets"], signers["targets"])
        self._signed(Snapshot).meta = {"targets.json": _named(self._signed(Targets), targets)}
        snapshot = self._sign(self._roles["snapshot"], signers["snapshot"])
        timestamp = self._signed(Timestamp)
        timestamp.snapshot_meta = _named(self._signed(Snapshot), snapshot)
        timestamp.unrecognized_fields[SIGNED_AT] = _whole_seconds(now).isoformat().replace("+00:00", "Z")
        last = self._sign(self._roles["timestamp"], signers["timestamp"])
        self._write(self._file("targets", following["targets"]), targets)
        self._write(self._file("snapshot", following["snapshot"]), snapshot)
        self._write(self._metadata / "timestamp.json", last)

    def _write_root(self, keys: KeyFolder) -> None:
        root = self._roles[ROOT]
        content = _bytes(root)
        self._write(self._file(ROOT, root.signed.version), content)
        keys.keep_device_root(content)

    def _next_root(self, now: datetime) -> Metadata[Root]:
        root = copy.deepcopy(self._roles[ROOT])
        root.signed.version += 1
        root.signed.expires = _whole_seconds(now) + ROOT_LIFETIME
        return root

    def _signers(self, keys: KeyFolder, role: str, lost: bool = False) -> list[CryptoSigner]:
        """The keys in force for a role; `lost`: without those that are not here, since they are about to be replaced."""
        root = self._signed(Root)
        public = [root.keys[keyid] for keyid in root.roles[role].keyids]
        return [keys.signer(role, key) for key in public if not lost or keys.has(role, key)]

    def _sign(self, metadata: Metadata[Any], signers: Iterable[CryptoSigner]) -> bytes:
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        return _bytes(metadata)

    def _signed(self, kind: type[Any]) -> Any:
        return self._roles[kind.type].signed

    def _read(self) -> dict[str, Metadata[Any]]:
        versions = self._versions(ROOT)
        if not versions:
            raise PublishError(f"{self.folder} holds no repository yet: `publish init` makes one")
        roles: dict[str, Metadata[Any]] = {ROOT: self._load(ROOT, self._file(ROOT, max(versions)))}
        root = roles[ROOT].signed
        roles["timestamp"] = self._load("timestamp", self._metadata / "timestamp.json")
        for role, meta in (
            ("snapshot", lambda: roles["timestamp"].signed.snapshot_meta),
            ("targets", lambda: roles["snapshot"].signed.meta["targets.json"]),
        ):
            file = self._file(role, meta().version)
            roles[role] = self._load(role, file)
            if meta().hashes and hashlib.sha256(file.read_bytes()).hexdigest() != meta().hashes.get("sha256"):
                raise PublishError(f"{file} is not the file that was signed; take the site from where it is whole")
        for role, found in roles.items():
            try:
                root.verify_delegate(role, found.signed_bytes, found.signatures)
            except RepositoryError as error:
                raise PublishError(
                    f"{self._metadata}: the {role} metadata is not signed with its keys: {error}"
                ) from error
        return roles

    def _load(self, role: str, file: Path) -> Metadata[Any]:
        try:
            found: Metadata[Any] = Metadata.from_bytes(file.read_bytes())
        except FileNotFoundError:
            raise PublishError(f"{file} is missing, so the site is not whole; take it from where it is") from None
        except (OSError, RepositoryError) as error:
            raise PublishError(f"{file} cannot be read: {error}") from error
        if not isinstance(found.signed, _TYPES[role]):
            raise PublishError(f"{file} is not {role} metadata")
        return found

    def _file(self, role: str, version: int) -> Path:
        return self._metadata / f"{version}.{role}.json"

    def _versions(self, role: str) -> list[int]:
        names = (
            re.fullmatch(rf"([1-9][0-9]{{0,8}})\.{role}\.json", file.name) for file in self._metadata.glob("*.json")
        )
        return [int(name[1]) for name in names if name]

    def _next_version(self, role: str) -> int:
        """After every file that is there: one of an interrupted publish may be in a cache already."""
        return max([self._roles[role].signed.version, *self._versions(role)]) + 1


def _named(signed: Signed, content: bytes) -> MetaFile:
    return MetaFile(signed.version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def _bytes(metadata: Metadata[Any]) -> bytes:
    return metadata.to_bytes(JSONSerializer(compact=True))


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
