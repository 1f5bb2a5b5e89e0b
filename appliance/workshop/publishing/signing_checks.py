"""Check everything that must be right before a site is signed: its contents, the clock, and what devices have seen."""

from datetime import datetime

from appliance.errors import PublishError
from appliance.workshop.publishing.hosting import require_no_keys_inside
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.places import SitePlace
from appliance.workshop.publishing.seen_versions import find_step_back, merge_seen
from appliance.workshop.publishing.served import ServedComparison, ServedState, compare_served, require_current
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.signing_clock import require_plausible_clock
from appliance.workshop.publishing.site_record import KEYS_FILE_NAME, SiteMemory

SIGNED = "signed"
"""The entry of the memory with the highest versions that were signed with the keys."""
NOT_SERVED = "none"
"""Given as the served place: publish without looking at what is served."""


class SigningChecks:
    """The checks before an operation on one site, and what is remembered after it."""

    def __init__(self, keys: KeyFolder, served: str | None, trust_clock: bool) -> None:
        """Remember what is checked; read nothing yet.

        Args:
            keys: The keys of the site.
            served: Where the site is served; NOT_SERVED to forget it; None for what the site's own file contains.
            trust_clock: Whether the clock is right, whatever the signatures and the server suggest.
        """
        self._keys, self._served, self._trust_clock = keys, served, trust_clock

    def check(self, site: SignedSite, now: datetime) -> None:
        """Check a site before it is changed.

        Args:
            site: The site, which is locked.
            now: The time of the signatures, timezone-aware.

        Raises:
            PublishError: The site must not be signed now.
        """
        require_no_keys_inside(site.folder)
        memory = SiteMemory(site.folder, self._keys.folder)
        if not self._trust_clock:
            require_plausible_clock(now, site.signed_at)
        comparison, server_date = self._look_at_served(site, memory)
        if not self._trust_clock:
            require_plausible_clock(now, None, server_date)
        seen = memory.get_seen(SIGNED)
        step_back = find_step_back(seen, site.read_versions())
        is_served = comparison is not None and comparison.state is ServedState.SAME
        if comparison is not None:
            seen = merge_seen(seen, memory.get_seen(comparison.place))
        site.raise_versions(seen)
        if step_back is not None and not is_served:
            raise PublishError(
                f"{site.folder} is not the newest copy of the site: {step_back}; get the newest copy (publish pull), "
                f"or, if it is lost, delete {self._keys.folder / KEYS_FILE_NAME}"
            )

    def remember(self, site: SignedSite) -> None:
        """Remember what was signed; a folder of keys that cannot be written remembers nothing."""
        SiteMemory(None, self._keys.folder).remember(SIGNED, site.read_versions())

    def _look_at_served(self, site: SignedSite, memory: SiteMemory) -> tuple[ServedComparison | None, str | None]:
        """Compare the site with what is served; return the comparison, and the date of the server."""
        if self._served == NOT_SERVED:
            memory.keep_served(None)
            return None, None
        served = self._served or memory.served
        if served is None:
            return None, None
        with SitePlace(served) as place:
            comparison = compare_served(site, place)
            if comparison.state in (ServedState.NEWER, ServedState.DIFFERENT):  # the remedy, publish pull, needs it
                memory.keep_served(place.url if place.is_address else place.name)
            require_current(comparison, is_known=bool(memory.get_seen(place.name)))
            memory.keep_served(place.url if place.is_address else place.name)
            if comparison.found:
                memory.remember(place.name, comparison.found)
            return comparison, place.server_date
