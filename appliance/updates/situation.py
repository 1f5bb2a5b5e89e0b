"""Collect what the device knows about an offer, for the decision in policy.py."""

from dataclasses import replace

from appliance.updates.host import Host
from appliance.updates.journal import Journal
from appliance.updates.known_candidate import KnownCandidate, find_unsuited_reason
from appliance.updates.policy import RunningModel, Situation, UpdatePolicy, find_known_conflict
from appliance.updates.sources.source import Offer
from appliance.updates.store.store import Store


def read_running_model(store: Store, host: Host) -> RunningModel:
    """Return the model that labels.

    Raises:
        StoreError: The store cannot be read.
    """
    bundle = host.running_bundle()
    return RunningModel(bundle.identity.name, bundle.version, is_bundled=store.read_state().current is None)


def read_situation(
    offer: Offer | None,
    requested: str | None,
    known: KnownCandidate | None,
    on_probation: bool,
    policy: UpdatePolicy,
    store: Store,
    journal: Journal,
    host: Host,
) -> Situation:
    """Return what the device knows about an offer.

    A known candidate that did not fit the settings is preloaded again, unless the decision does not depend on it.

    Args:
        offer: The current offer; None if nothing is offered.
        requested: The version that the owner asks to install; None if there is no such request.
        known: What an earlier attempt learned about a candidate; None if nothing.
        on_probation: Whether the active model is on probation.
        policy: The settings for offers.
        store: The models of this device.
        journal: Records the update in progress.
        host: The program that labels.

    Raises:
        StoreError: The store cannot be read.
    """
    situation = Situation(
        running=read_running_model(store, host),
        current=store.read_state().current,
        known=known,
        on_probation=on_probation,
        requested=requested,
    )
    if offer is None or (situation.current and situation.current.offer == offer.hash):
        return situation
    entry = journal.entry
    situation = replace(
        situation,
        rejection=store.rejection(offer.hash),
        resumed=bool(entry and entry.hash == offer.hash and entry.requested),
    )
    is_decided = requested or on_probation or situation.resumed or situation.rejection
    if known and known.hash == offer.hash and not (is_decided or find_known_conflict(offer, situation, policy)):
        return replace(situation, known=replace(known, unsuited_reason=find_unsuited_reason(known, store, host)))
    return situation


def add_window(situation: Situation, offer: Offer | None, store: Store, obstacle: str | None) -> Situation:
    """Return the situation with the obstacle of update.window, if the offer is tested and stored.

    Args:
        situation: The situation without it.
        offer: The current offer; None if nothing is offered.
        store: The models of this device.
        obstacle: Why no model may be swapped in now; None if one may be.

    Raises:
        StoreError: The store cannot be read.
    """
    known = situation.known
    if offer is None or obstacle is None or known is None or not known.is_tested or known.hash != offer.hash:
        return situation
    staged = store.read_state().staged
    return replace(situation, window_obstacle=obstacle) if staged and staged.offer == offer.hash else situation
