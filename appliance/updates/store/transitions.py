"""The steps from one state of the store to the next, as plain functions: what they do is decided here, without a disk.

Each takes a whole state and gives a whole one; the store writes the result in one piece.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from appliance.updates.store.state import InstalledModel, Rejection, Start, StoreState

MAX_DEATHS = 2
MAX_REFUSALS = 50


def swapped(state: StoreState, slot: InstalledModel, probation: bool) -> StoreState:
    """`slot` is current, and what was current is the previous one. What was refused of it is forgotten.

    A model that has not proved itself is nothing to go back to: what was before it stays the previous one.
    """
    again = state.current is not None and state.current.key == slot.key
    stays = again or state.probation
    before, earlier = (state.previous, state.earlier) if stays else (state.current, state.previous)
    if stays and before and before.key == slot.key:
        before, earlier = earlier, None
    return replace(
        state,
        current=slot,
        previous=before,
        earlier=earlier if probation else None,
        waiting=None if state.waiting and state.waiting.key == slot.key else state.waiting,
        probation=probation,
        deaths=0,
        refused=tuple(refusal for refusal in state.refused if refusal.hash not in (slot.key, slot.offer)),
    )


def stepped_back(
    state: StoreState, refused_for: str | None, bundled_key: str | None, to_bundled: bool = False
) -> StoreState:
    """The previous model is current again, and the one that was is refused where there is a reason.

    Where that failed its probation, all is as before: the owner can still go back to what was before that.

    Where the bundled model is left for a delivered one, it does not replace that again at the next start.

    With `to_bundled` the previous model cannot be used now: the bundled one is current, and it stays the previous one.
    """
    left, back = state.current, state.previous
    if left and refused_for:
        state = refusing(state, (left.key, left.offer), left.version, refused_for)
    if to_bundled:
        return replace(state, current=None, earlier=None, probation=False, deaths=0)
    if left is None and back:
        back = replace(back, over_bundled=bundled_key)
    return replace(state, current=back, previous=state.earlier, earlier=None, probation=False, deaths=0)


def refusing(state: StoreState, hashes: Iterable[str | None], version: str, reason: str) -> StoreState:
    """What comes under one of `hashes` is not taken again."""
    new = tuple(Rejection(hash, version, reason, now()) for hash in hashes if hash)
    known = tuple(refusal for refusal in state.refused if refusal.hash not in hashes)
    return replace(state, refused=(*known, *new)[-MAX_REFUSALS:])


def begun(state: StoreState, boot: str, bundled_key: str | None) -> tuple[StoreState, str | None]:
    """A start of the daemon, and what it found out about the last one: a report where a model was taken back.

    The last start was not survived when its note is still there and the boot is the same: an orderly end removes the
    note, and a power cut changes the boot. While the model is on probation that counts wherever the process died, later
    only where it never got ready.
    """
    last, current, report = state.start, state.current, None
    if current and last and last.boot == boot and (state.probation or not last.ready):
        state = replace(state, deaths=state.deaths + 1)
        if state.deaths >= MAX_DEATHS:
            reason = f"the program did not survive {state.deaths} starts in a row with {shown(current)}"
            state = stepped_back(state, reason, bundled_key)
            report = f"{reason}: {shown(state.current)} is used again"
    return replace(state, start=Start(boot)), report


def ended(state: StoreState) -> StoreState:
    """The program stopped on purpose: the starts before it that were not survived are none in a row any more."""
    return replace(state, start=None, deaths=0)


def proven(state: StoreState) -> StoreState:
    """The current model has proved itself: what was before the previous one is not needed any more."""
    return replace(state, earlier=None, probation=False, deaths=0)


def survived(state: StoreState) -> StoreState:
    """The start went well. A model that is not on probation has nothing more to prove."""
    start = replace(state.start, ready=True) if state.start else None
    return replace(state, start=start, deaths=state.deaths if state.probation else 0)


def shown(slot: InstalledModel | None) -> str:
    """What to call a model in a sentence."""
    return f"the delivered {slot.name} {slot.version}" if slot else "the bundled model"


def now() -> str:
    """The time as it is written down: RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
