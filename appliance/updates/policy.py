"""Decide about an offered model, as a pure function of what the device knows."""

from dataclasses import dataclass
from enum import StrEnum

from appliance.bundle.version import is_newer
from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.sources.source import Offer, display_version
from appliance.updates.store.state import InstalledModel, Rejection
from appliance.updates.store.transitions import display_name
from appliance.updates.withdrawal import may_be_same

LATEST = "latest"


class OfferAction(StrEnum):
    """What to do with an offer."""

    RUNS = "runs"  # the offer is the active model
    NOTHING = "nothing"  # nothing is offered
    SKIP = "skip"  # do not install it
    WAIT = "wait"  # decide again after the probation
    HOLD = "hold"  # it is tested, and is swapped in when update.window opens
    DENY = "deny"  # the requested installation is not possible; nothing else changes
    ANNOUNCE = "announce"  # report it, and wait for the owner
    TAKE = "take"  # install it


@dataclass(frozen=True, slots=True)
class UpdatePolicy:
    """The settings for offers.

    Attributes:
        max_bytes: The maximum size of a download.
        allow_downgrade: Whether an older version may be installed.
        ask: Whether the owner decides when to install.
    """

    max_bytes: int
    allow_downgrade: bool = False
    ask: bool = False


@dataclass(frozen=True, slots=True)
class RunningModel:
    """The model that labels. `version` is None if it has none; `is_bundled` means that it is part of the program."""

    name: str
    version: str | None
    is_bundled: bool


@dataclass(frozen=True, slots=True)
class Situation:
    """What the device knows when an offer arrives.

    Attributes:
        running: The model that labels.
        current: The active delivered model; None for the bundled one.
        known: What an earlier attempt learned about a candidate; None if nothing.
        rejection: The rejection of this offer; None if it was not rejected.
        on_probation: Whether the active model is on probation.
        requested: The version that the owner asks to install, or LATEST; None if there is no such request.
        resumed: Whether the owner asked for this offer earlier, and its installation was interrupted.
        window_obstacle: Why the offer, which is tested and stored, may not be swapped in now; None if it may be, or is
            not tested yet.
    """

    running: RunningModel
    current: InstalledModel | None = None
    known: KnownCandidate | None = None
    rejection: Rejection | None = None
    on_probation: bool = False
    requested: str | None = None
    resumed: bool = False
    window_obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about an offer.

    Attributes:
        action: What to do.
        reason: Why the offer is not installed, for people; None if the action explains it.
        requested: Whether the owner asked for the offer, now or before a restart.
        relink: Whether the active model is now offered with a different variant or experiment, which the store must
            record.
        is_rejected: Whether the offer is skipped because it was refused or rolled back before.
        may_run: Whether the offer is skipped because of a version that runs, and may be the same bundle.
    """

    action: OfferAction
    reason: str | None = None
    requested: bool = False
    relink: bool = False
    is_rejected: bool = False
    may_run: bool = False

    @property
    def ends_update(self) -> bool:
        """Whether an update in progress is dropped, because the source no longer offers a model to install."""
        return self.action in (OfferAction.RUNS, OfferAction.NOTHING, OfferAction.SKIP, OfferAction.WAIT)


def decide(offer: Offer | None, situation: Situation, policy: UpdatePolicy) -> Decision:
    """Decide what to do with an offer.

    Args:
        offer: The current offer; None if nothing is offered.
        situation: What the device knows.
        policy: The settings.
    """
    current = situation.current
    if offer is None:
        return Decision(OfferAction.NOTHING, "the source offers nothing")
    if current and current.offer == offer.hash:
        has_other_branch = (current.variant, current.experiment) != (offer.variant, offer.experiment)
        return Decision(OfferAction.RUNS, relink=has_other_branch)
    if _is_known_same(offer, situation):
        return Decision(OfferAction.RUNS)
    if situation.requested:
        reason = _find_request_obstacle(offer, situation, policy)
        return Decision(OfferAction.DENY, reason) if reason else Decision(OfferAction.TAKE, requested=True)
    return _decide_installation(offer, situation, policy)


def find_version_conflict(
    offer: Offer, version: str | None, name: str | None, running: RunningModel, policy: UpdatePolicy
) -> str | None:
    """Return why a version may not replace the running one; None if it may.

    A pinned offer may be older. Otherwise, if both models have a version, the offered one must be higher; with
    allow_downgrade, any different version may be installed. The version of the bundled model restricts only bundles
    with the same name.

    Args:
        offer: The offer.
        version: The candidate's version; None if it has none or it is not known yet.
        name: The candidate's name; None if it is not known yet.
        running: The model that labels.
        policy: The settings.
    """
    if offer.pinned or version is None or running.version is None or is_newer(version, running.version):
        return None
    if running.is_bundled and name != running.name:
        return None
    if not is_newer(running.version, version):
        return f"version {version} is already running; a different bundle needs a higher version"
    if policy.allow_downgrade:
        return None
    return f"version {version} is older than the running version {running.version}, and update.allow_downgrade is off"


def _find_request_obstacle(offer: Offer, situation: Situation, policy: UpdatePolicy) -> str | None:
    """Return why the requested installation is not possible; None if it is. Ignore earlier rejections."""
    version, wanted = display_version(offer), situation.requested
    if wanted not in (LATEST, version):
        return f"the source offers {version}, not {wanted}"
    if conflict := find_known_conflict(offer, situation, policy):
        return f"{version} cannot be installed: {conflict}"
    if _is_blocked_by_probation(offer, situation):
        return f"{display_name(situation.current)} is on probation; wait until it ends, or roll the model back first"
    return None


def _is_blocked_by_probation(offer: Offer, situation: Situation) -> bool:
    """Return whether an offer must wait for the probation; one that may be the model on probation need not.

    The updater takes a model back that its source no longer offers, so the others are models that no source delivered.
    """
    current = situation.current
    return situation.on_probation and (current is None or current.offer is None or not may_be_same(offer, current))


def _is_known_same(offer: Offer, situation: Situation) -> bool:
    """Return whether the offer, whose hash does not identify its bytes, was downloaded and is the active model."""
    known, current = situation.known, situation.current
    return bool(known and current and known.hash == offer.hash and known.same_key == current.key)


def find_known_conflict(offer: Offer, situation: Situation, policy: UpdatePolicy) -> str | None:
    """Return why the offer's version, as far as known, may not replace the running one; None if it may."""
    known = situation.known if situation.known and situation.known.hash == offer.hash else offer
    return find_version_conflict(offer, known.version, known.name, situation.running, policy)


def _may_run(offer: Offer, situation: Situation) -> bool:
    """Return whether the offer may be the running bundle, which was not delivered by a source."""
    is_from_source = situation.current is not None and situation.current.offer is not None
    return not is_from_source and offer.version is not None and offer.version == situation.running.version


def _decide_installation(offer: Offer, situation: Situation, policy: UpdatePolicy) -> Decision:
    """Decide about an offer that is not known to run and that the owner has not requested."""
    version, known = display_version(offer), situation.known
    if reason := find_known_conflict(offer, situation, policy):
        return Decision(OfferAction.SKIP, reason, may_run=_may_run(offer, situation))
    if _is_blocked_by_probation(offer, situation):
        return Decision(OfferAction.WAIT, f"{version} waits until the probation ends")
    if situation.rejection and not situation.resumed:
        return Decision(OfferAction.SKIP, f"{version} was refused: {situation.rejection.reason}", is_rejected=True)
    if situation.window_obstacle and (situation.resumed or not policy.ask):
        return Decision(OfferAction.HOLD, f"{version} {situation.window_obstacle}")
    if not situation.resumed and known and known.hash == offer.hash and known.unsuited_reason:
        return Decision(
            OfferAction.SKIP, f"{version} does not fit the settings of this device: {known.unsuited_reason}"
        )
    asks = policy.ask and not situation.resumed
    return Decision(OfferAction.ANNOUNCE if asks else OfferAction.TAKE, requested=situation.resumed)
