"""The transitions from one state of the store to the next, as pure functions.

Each takes a complete state and returns a complete state, which the store writes atomically.
"""

from collections.abc import Iterable
from dataclasses import replace

from appliance.system.timestamps import now_rfc3339
from appliance.updates.store.state import InstalledModel, Rejection, Start, StoreState

MAX_FAILED_STARTS = 2
MAX_REJECTIONS = 50


def activate(state: StoreState, model: InstalledModel, probation: bool) -> StoreState:
    """Make `model` the current model, and the current model the previous one; forget rejections of `model`.

    A model that is still on probation is not one to go back to, so the model before it stays the previous one.
    """
    is_again = state.current is not None and state.current.key == model.key
    keeps_previous = is_again or state.probation
    if keeps_previous:
        previous, before_previous = state.previous, state.before_previous
    else:
        previous, before_previous = state.current, state.previous
    if keeps_previous and previous and previous.key == model.key:
        previous, before_previous = before_previous, None
    return replace(
        state,
        current=model,
        previous=previous,
        before_previous=before_previous if probation else None,
        staged=None if state.staged and state.staged.key == model.key else state.staged,
        probation=probation,
        failed_starts=0,
        rejections=tuple(each for each in state.rejections if each.hash not in (model.key, model.offer)),
    )


def rollback(
    state: StoreState, rejection_reason: str | None, bundled_key: str | None, to_bundled: bool = False
) -> StoreState:
    """Make the previous model the current one.

    After a failed probation the earlier state is restored, so the owner can still go back to the model before the
    previous one. After a rollback from the bundled model to a delivered one, the bundled model does not replace it
    again at the next start.

    Args:
        state: The state before.
        rejection_reason: Why the current model is rejected; None if it is not.
        bundled_key: The key of the bundled model; None if it cannot be read.
        to_bundled: Whether to activate the bundled model instead, because the previous one cannot be used now; the
            previous one is kept.
    """
    left, target = state.current, state.previous
    if left and rejection_reason:
        state = reject(state, (left.key, left.offer), left.version, rejection_reason)
    if to_bundled:
        return replace(state, current=None, before_previous=None, probation=False, failed_starts=0)
    if left is None and target:
        target = replace(target, bundled_override_key=bundled_key)
    return replace(
        state,
        current=target,
        previous=state.before_previous,
        before_previous=None,
        probation=False,
        failed_starts=0,
    )


def reject(state: StoreState, hashes: Iterable[str | None], version: str, reason: str) -> StoreState:
    """Reject the bundle or offer with these hashes; drop the oldest rejections beyond MAX_REJECTIONS."""
    rejected = [each for each in hashes if each]
    added = tuple(Rejection(each, version, reason, now_rfc3339()) for each in rejected)
    kept = tuple(rejection for rejection in state.rejections if rejection.hash not in rejected)
    return replace(state, rejections=(*kept, *added)[-MAX_REJECTIONS:])


def forget_rejections(state: StoreState, keep: str | None, keep_version: str | None) -> StoreState:
    """Forget the rejections, except those with the hash `keep` or the version `keep_version`."""
    kept = (each for each in state.rejections if each.hash == keep or (keep_version and each.version == keep_version))
    return replace(state, rejections=tuple(kept))


def on_start(state: StoreState, boot: str, bundled_key: str | None) -> tuple[StoreState, str | None]:
    """Record a start of the daemon; roll back a model after too many failed starts.

    The last start failed if its record is still present and the boot is the same: an orderly stop removes the record,
    and a power cut changes the boot. While the model is on probation, every failed start counts; afterward, only one
    that never became ready.

    Returns:
        The new state, and a report if a model was rolled back.
    """
    last, current, report = state.start, state.current, None
    if current and last and last.boot == boot and (state.probation or not last.ready):
        state = replace(state, failed_starts=state.failed_starts + 1)
        if state.failed_starts >= MAX_FAILED_STARTS:
            reason = f"the program did not survive {state.failed_starts} starts in a row with {display_name(current)}"
            state = rollback(state, reason, bundled_key)
            report = f"{reason}: {display_name(state.current)} is used again"
    return replace(state, start=Start(boot)), report


def on_stop(state: StoreState) -> StoreState:
    """Record an orderly stop, which ends a series of failed starts."""
    return replace(state, start=None, failed_starts=0)


def commit(state: StoreState) -> StoreState:
    """End the probation of the current model; the model before the previous one is no longer needed."""
    return replace(state, before_previous=None, probation=False, failed_starts=0)


def mark_ready(state: StoreState) -> StoreState:
    """Record that the start succeeded; clear the failed starts unless the model is on probation."""
    start = replace(state.start, ready=True) if state.start else None
    return replace(state, start=start, failed_starts=state.failed_starts if state.probation else 0)


def display_name(model: InstalledModel | None) -> str:
    """Return the name of a model for use in a sentence."""
    return f"the delivered {model.name} {model.version}" if model else "the bundled model"
