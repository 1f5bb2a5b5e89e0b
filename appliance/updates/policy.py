"""Decide what to do with an offered model."""

from dataclasses import dataclass

from appliance.bundle.bundle import Bundle
from appliance.bundle.version import is_newer
from appliance.updates.sources.source import Offer


@dataclass(frozen=True, slots=True)
class UpdatePolicy:
    """What the settings say of candidates."""

    max_bytes: int
    allow_downgrade: bool

    def against(
        self, offer: Offer, version: str | None, name: str | None, running: Bundle, bundled: bool
    ) -> str | None:
        """Why a version is not taken in the place of the running one; None where it may be.

        What the operator named (`offer.chosen`) may be older. Otherwise, where both have a version, it must be the
        greater one; with allow_downgrade any other. Versions of the model that came with the program say nothing about
        those of another.

        Args:
            offer: What is offered.
            version, name: Of the candidate, None where it has none or it is not known yet.
            running: The bundle that labels now.
            bundled: Whether that came with the program.
        """
        if offer.chosen or version is None or running.version is None or is_newer(version, running.version):
            return None
        if bundled and name != running.identity.name:
            return None
        if not is_newer(running.version, version):
            return f"version {version} runs already; other contents need a greater one"
        if self.allow_downgrade:
            return None
        return f"version {version} is older than the running {running.version}, and update.allow_downgrade is off"
