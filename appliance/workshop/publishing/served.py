"""Compare a copy of a site with what is served to devices, before it is signed or uploaded.

Devices keep the highest versions that they have seen, so two copies that sign the same version number with different
contents split the devices silently. A copy may be signed only if what is served is a part of its own history: every
signature writes a snapshot with a new version, so the copy must contain exactly the snapshot that is served.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Timestamp

from appliance.errors import PublishError, SourceError
from appliance.workshop.publishing.keys import ROOT
from appliance.workshop.publishing.metadata_files import TIMESTAMP_NAME, parse_metadata
from appliance.workshop.publishing.places import SitePlace
from appliance.workshop.publishing.seen_versions import SeenVersion, SeenVersions
from appliance.workshop.publishing.signed_site import SignedSite

_OTHER_SITE = "it belongs to another site, so correct the address with --served"
_MAX_ROOT_BYTES, _MAX_TIMESTAMP_BYTES = 128 * 1024, 16 * 1024


class ServedState(StrEnum):
    """How what is served relates to a copy of the site."""

    ABSENT = "absent"
    """Nothing is served yet."""
    SAME = "same"
    OLDER = "older"
    """The copy has changes that are not uploaded yet."""
    NEWER = "newer"
    """The copy lacks changes that are served."""
    DIFFERENT = "different"
    """The copy and what is served have changes that the other lacks."""


@dataclass(frozen=True, slots=True)
class ServedComparison:
    """The result of a comparison.

    Attributes:
        state: The relation.
        place: The address or folder.
        message: The relation, for people.
        found: The versions that are served.
    """

    state: ServedState
    place: str
    message: str
    found: SeenVersions = field(default_factory=dict)

    @property
    def is_current(self) -> bool:
        """Whether the copy contains everything that is served."""
        return self.state not in (ServedState.NEWER, ServedState.DIFFERENT)


def compare_served(site: SignedSite, place: SitePlace) -> ServedComparison:
    """Compare a copy of a site with what is served; two or three small requests.

    Raises:
        PublishError: The place cannot be read, or serves something else.
    """
    try:
        return _ServedReader(site, place).compare()
    except SourceError as error:
        raise PublishError(
            f"what is served cannot be read: {place.localize(error)}; try again, correct --served, or pass "
            "--served none to publish without looking at it"
        ) from error


def require_current(comparison: ServedComparison, is_known: bool) -> None:
    """Check that a copy may be signed or uploaded.

    Args:
        comparison: The result of `compare_served`.
        is_known: Whether a site was seen at this place before.

    Raises:
        PublishError: What is served has changes that this copy lacks, or disappeared.
    """
    if not comparison.is_current:
        raise PublishError(f"{comparison.message}; run `publish pull`, and then repeat the command")
    if comparison.state is ServedState.ABSENT and is_known:
        raise PublishError(
            f"{comparison.place} served this site before, and has no {TIMESTAMP_NAME} now; correct --served or the "
            "server, or pass --served none to publish without looking at it"
        )


class _ServedReader:
    """Read what one place serves of one site."""

    def __init__(self, site: SignedSite, place: SitePlace) -> None:
        self._site, self._place = site, place

    def compare(self) -> ServedComparison:
        """Compare the roots, then the timestamps."""
        versions = self._site.read_versions()
        local_root = versions[ROOT]
        newer_root = self._find_root(local_root.version + 1)
        if newer_root is not None:
            return self._make(
                ServedState.NEWER,
                f"{self._place.name} serves version {local_root.version + 1} of the root, which this copy lacks, "
                "because keys were replaced in another copy",
                {ROOT: newer_root},
            )
        served_root = self._find_root(local_root.version)
        if served_root is not None and served_root != local_root:
            return self._make(
                ServedState.DIFFERENT,
                f"{self._place.name} serves another root as version {local_root.version}, because keys were replaced "
                "in another copy",
                {ROOT: served_root},
            )
        found = {ROOT: served_root} if served_root is not None else {}
        return self._compare_timestamps(versions["timestamp"], found)

    def _compare_timestamps(self, local: SeenVersion, found: dict[str, SeenVersion]) -> ServedComparison:
        place = self._place.name
        content = self._place.find(f"metadata/{TIMESTAMP_NAME}", _MAX_TIMESTAMP_BYTES)
        if content is None:
            return self._make(ServedState.ABSENT, f"{place} serves no site yet", found)
        timestamp = self._parse_timestamp(content)
        served = SeenVersion.of(timestamp.version, content)
        snapshot = timestamp.snapshot_meta
        hashes = snapshot.hashes or {}
        found = {**found, "timestamp": served}
        if "sha256" in hashes:
            found["snapshot"] = SeenVersion(snapshot.version, hashes["sha256"])
        if served == local:
            return self._make(ServedState.SAME, f"{place} serves this copy", found)
        if served.version > local.version:
            return self._make(
                ServedState.NEWER,
                f"{place} serves version {served.version}, and this copy has version {local.version}: another copy of "
                "the site was published",
                found,
            )
        own = self._site.files.get_file("snapshot", snapshot.version)
        is_own = own.is_file() and hashlib.sha256(own.read_bytes()).hexdigest() == hashes.get("sha256")
        if is_own and served.version < local.version:
            message = f"{place} serves version {served.version}, and this copy has version {local.version}"
            return self._make(ServedState.OLDER, f"{message}, which is not uploaded yet", found)
        return self._make(
            ServedState.DIFFERENT,
            f"{place} serves version {served.version} with other contents than this copy (version {local.version}): "
            "two copies of the site were changed",
            found,
        )

    def _parse_timestamp(self, content: bytes) -> Timestamp:
        """Return the timestamp if it is signed with the keys of any root that this copy knows."""
        where = f"{self._place.name}/metadata/{TIMESTAMP_NAME}"
        metadata = parse_metadata(content, "timestamp", where)
        for root in reversed(self._site.files.read_roots()):
            try:
                root.signed.verify_delegate("timestamp", metadata.signed_bytes, metadata.signatures)
            except RepositoryError:
                continue
            signed: Timestamp = metadata.signed
            return signed
        raise PublishError(f"{where} is not signed with the keys of this site; {_OTHER_SITE}")

    def _find_root(self, version: int) -> SeenVersion | None:
        """Return a version of the root that is served and signed for this site; None if there is none.

        Raises:
            PublishError: Something else is served under its name.
        """
        name = f"metadata/{version}.root.json"
        content = self._place.find(name, _MAX_ROOT_BYTES)
        if content is None:
            return None
        where = f"{self._place.name}/{name}"
        try:
            root = parse_metadata(content, ROOT, where)
        except PublishError:
            raise PublishError(
                f"{where} is not a root: the server sends a page for missing files (a rewrite rule), which stops all "
                "updates; remove the rule, or correct --served"
            ) from None
        if not self._is_signed(root.signed, version) and not self._is_trusted(root):
            raise PublishError(f"{where} is not signed with the keys of this site; {_OTHER_SITE}")
        return SeenVersion.of(version, content)

    def _is_signed(self, root: Root, version: int) -> bool:
        """Return whether this copy has the same root."""
        file = self._site.files.get_file(ROOT, version)
        return file.is_file() and root == parse_metadata(file.read_bytes(), ROOT, str(file)).signed

    def _is_trusted(self, root: Metadata[Root]) -> bool:
        """Return whether a root is signed with the root keys of any root that this copy knows."""
        for known in self._site.files.read_roots():
            try:
                known.signed.verify_delegate(ROOT, root.signed_bytes, root.signatures)
            except RepositoryError:
                continue
            return True
        return False

    def _make(self, state: ServedState, message: str, found: SeenVersions) -> ServedComparison:
        return ServedComparison(state, self._place.name, message, found)
