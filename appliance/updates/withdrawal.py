"""Decide whether the source has taken back the model that is on probation, as pure functions."""

from appliance.updates.sources.source import Offer, display_version
from appliance.updates.store.state import InstalledModel


def find_withdrawal(offer: Offer | None, current: InstalledModel, is_gone: bool) -> str | None:
    """Return why the model on probation is taken back; None if the source still offers it, or may.

    Args:
        offer: The current offer; None if nothing is offered.
        current: The model on probation.
        is_gone: Whether the source, which offers nothing, has withdrawn the model (Source.has_withdrawn).
    """
    if current.offer is None:  # no source delivered it
        return None
    if offer is None:
        return "the source no longer offers it" if is_gone else None
    if offer.hash == current.offer or may_be_same(offer, current):
        return None
    return f"the source offers {display_version(offer)} instead"


def may_be_same(offer: Offer, model: InstalledModel) -> bool:
    """Return whether an offer with another hash may still be this model, which only a download can show."""
    if offer.version is not None and offer.version != model.version:
        return False
    if offer.sha256 is not None:
        return offer.sha256 == model.sha256  # the labels may differ
    return not offer.is_bound
