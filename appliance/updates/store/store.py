"""The model store: which delivered model runs, what was before it, what waits, and what is refused.

Every change is one step from a whole state to a whole state, written in one piece (shelf.py has the folder, state.py
the values), so a kill between two steps leaves a model that works. The steps, in the order of an update:
`add` puts a bundle on disk, `swap` makes it current, on probation or not, `commit` ends the probation, `rollback`
goes back. Around them the daemon tells of its own life: `begin`, `current` and `settle`, `ready`, `end`.

"No delivered model" is written None and means the bundled one, which is part of the program and never removed.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.key import bundle_key
from appliance.bundle.version import is_newer
from appliance.errors import BundleError, StoreError
from appliance.updates.store import transitions
from appliance.updates.store.folder import ModelFolder
from appliance.updates.store.state import InstalledModel, Listed, Loaded, ModelChoice, Rejection, StoreState

log = logging.getLogger(__name__)


class Store:
    """The models of one device. Safe to use from several threads and several processes at a time."""

    def __init__(self, state: Path, bundled: Path, lock_wait_s: float = 10.0):
        """Args:
        state: The state folder (places.state_dir()); the store is `models` in it, made at the first change.
        bundled: The bundle that came with the program.
        lock_wait_s: How long to wait for another command that is changing the store.
        """
        self.bundled = bundled
        self._shelf = ModelFolder(state / "models", lock_wait_s)
        self._said: str | None = None

    def state(self) -> StoreState:
        """What the store remembers; nothing where its file is damaged, which is logged once.

        Raises:
            StoreError: The file is there and may not be read.
        """
        state, trouble = self._shelf.read_state()
        self._complain(trouble)
        return state

    def path(self, slot: InstalledModel | None) -> Path:
        """The bundle's folder."""
        return self._shelf.folder / slot.key if slot else self.bundled

    def list(self) -> list[Listed]:
        """Every model on this device, the current one first.

        Raises:
            BundleError: The bundled one cannot be read.
            StoreError: The store cannot be read.
        """
        state, bundled = self.state(), read_bundle(self.bundled)
        roles: dict[InstalledModel | None, list[str]] = {}
        for role, slot in _roles(state):
            if slot or role == "current":
                roles.setdefault(slot, []).append(role)
        if state.probation:
            roles[state.current].append("probation")
        roles.setdefault(None, []).append("bundled")
        own = bundled.identity
        return [
            Listed(tuple(has), slot.name, slot.version, slot.sha256, slot.origin, slot.delivered)
            if slot
            else Listed(tuple(has), own.name, own.version, own.sha256, "came with the program", None)
            for slot, has in roles.items()
        ]

    def refusal(self, *hashes: str | None) -> Rejection | None:
        """Why a bundle with one of these hashes is not taken; None where it may be."""
        return next((refusal for refusal in reversed(self.state().refused) if refusal.hash in hashes), None)

    def bundle(self, slot: InstalledModel | None) -> Bundle:
        """A bundle of this device, with the branch it came in; None: the bundled one.

        Raises:
            BundleError: It is gone, or was damaged since it was put there.
        """
        if slot is None:
            return read_bundle(self.bundled)
        bundle = self._shelf.read(slot.key)
        return replace(bundle, identity=replace(bundle.identity, variant=slot.variant, experiment=slot.experiment))

    # The road of a bundle

    def add(
        self,
        bundle: Bundle,
        origin: str,
        offer: str | None = None,
        variant: str | None = None,
        experiment: str | None = None,
        over_bundled: bool = False,
    ) -> InstalledModel:
        """Puts a bundle on disk, where it waits; what runs stays as it is.

        Args:
            bundle: What to put there; it should have passed the probe before it is swapped in.
            origin, offer, variant, experiment: As in Slot.
            over_bundled: The bundled model of today does not replace it at a start, not even with a greater version: for
                an operator who names an older model on purpose.

        Raises:
            BundleError: The bundle's files changed while they were read.
            StoreError: There is no room, or the folder cannot be written to.
        """
        with self._shelf.changing():
            slot = InstalledModel(
                key=self._shelf.put(bundle),
                name=bundle.identity.name,
                version=bundle.identity.version,
                sha256=bundle.identity.sha256,
                origin=origin,
                delivered=transitions.now(),
                offer=offer,
                variant=variant,
                experiment=experiment,
                over_bundled=self._bundled_key() if over_bundled else None,
            )
            self._step(lambda state: replace(state, waiting=slot))
        return slot

    def swap(self, slot: InstalledModel, probation: bool) -> None:
        """Makes a bundle that was added the current one; what was current becomes the previous one.

        Args:
            slot: What `add` returned.
            probation: Whether it has to prove itself; `commit` ends that.

        Raises:
            StoreError: Its files are gone, or the state cannot be written.
        """

        def swapped(state: StoreState) -> StoreState:
            if not self._shelf.holds(slot.key):
                raise StoreError(
                    f"the files of {transitions.shown(slot)} are gone from {self._shelf.folder}; deliver it again"
                )
            return transitions.swapped(state, slot, probation)

        self.change(swapped)

    def install(self, bundle: Bundle, origin: str, probation: bool = False) -> InstalledModel:
        """`add` and `swap` in one: what the owner asked for. A refusal of this bundle is forgotten."""
        slot = self.add(bundle, origin)
        self.swap(slot, probation)
        return slot

    def discard_waiting(self) -> None:
        """Gives up the bundle that waits; its files go."""
        self.change(lambda state: replace(state, waiting=None))

    def commit(self) -> None:
        """The current model has proved itself."""
        self.change(transitions.proven)

    def rollback(self, reason: str, refuse: bool = True, to_bundled: bool = False) -> InstalledModel | None:
        """Goes back from the current model to what was before it.

        Args:
            reason: Why, for people.
            refuse: The model is at fault, or its owner does not want it: it is not taken again when offered.
            to_bundled: What was before it cannot be used now; the bundled model is used, and that stays the previous one.

        Returns:
            What is current now; None: the bundled model.

        Raises:
            StoreError: There is nothing to go back to, or the state cannot be written.
        """

        def back(state: StoreState) -> StoreState:
            if state.current is None and state.previous is None:
                raise StoreError("there is no model to go back to: the bundled one is in use, and none was before it")
            return transitions.stepped_back(state, reason if refuse else None, self._bundled_key(), to_bundled)

        return self.change(back).current

    def refuse(self, hash: str, version: str, reason: str) -> None:
        """Remembers that what is offered under `hash` is not to be taken again."""
        self.change(lambda state: transitions.refusing(state, (hash,), version, reason))

    def forget_refusals(self, keep: str | None = None, keep_version: str | None = None) -> None:
        """Something else is offered now: forgets what was refused, but for the hash `keep` and what has `keep_version`.

        Raises:
            StoreError: The state cannot be written.
        """

        def kept(state: StoreState) -> tuple[Rejection, ...]:
            return tuple(
                each for each in state.refused if each.hash == keep or (keep_version and each.version == keep_version)
            )

        if kept(state := self.state()) != state.refused:
            self.change(lambda state: replace(state, refused=kept(state)))

    # The daemon's life

    def begin(self, boot: str) -> str | None:
        """Notes that the daemon starts, before it loads a model, and takes back a model that starts do not survive.

        A start that was followed neither by `end` nor by a reboot was not survived. Two in a row take the current model
        back: while on probation wherever they died, later only where not even `ready` was reached.

        Args:
            boot: The kernel's boot id (identity.boot_id()): it tells a power cut from a death.

        Returns:
            What happened to the store, for the report; None: nothing.

        Raises:
            StoreError: The store cannot be written to; labeling can go on without.
        """
        reports = [self._shelf.read_state()[1]]

        def begun(state: StoreState) -> StoreState:
            state, report = transitions.begun(state, boot, self._bundled_key())
            reports.append(report)
            return state

        self.change(begun)
        return "; ".join(filter(None, reports)) or None

    def current(self, load: Callable[[Bundle], Loaded] = lambda bundle: bundle) -> ModelChoice[Loaded]:
        """The model to run: the delivered one, else the previous, else the bundled one. Nothing is written.

        The bundled one comes first where it has the delivered one's name, both have a version, and its own is greater.

        Args:
            load: Makes of a bundle what the caller needs, and raises BundleError where the bundle cannot be run.

        Raises:
            BundleError: None of them can be loaded.
            StoreError: The store cannot be read.
        """
        state, trouble = self._shelf.read_state()
        self._complain(trouble)
        order = list(dict.fromkeys([state.current, state.previous, None]))
        reasons, faulty = [trouble] if trouble else [], []
        if newer := self._superseded(state):
            order = list(dict.fromkeys([None, *order]))
            reasons.append(newer)
        for slot in order:
            whole = False
            try:
                bundle = self.bundle(slot)
                whole = True
                return ModelChoice(load(bundle), bundle, slot, tuple(reasons), tuple(faulty))
            except BundleError as error:
                reasons.append(f"{transitions.shown(slot)} cannot be loaded: {str(error).rstrip('.')}")
                if whole and slot:
                    faulty.append((slot, reasons[-1]))
        raise BundleError(f"no model can be loaded: {'; '.join(reasons)}")

    def settle(self, choice: ModelChoice) -> None:
        """Writes down what `current` found: the model it chose is the current one now, and a faulty one is refused.

        One whose files were damaged on this disk is not refused: delivered again it is welcome.

        Raises:
            StoreError: The state cannot be written.
        """

        def settled(state: StoreState) -> StoreState:
            if choice.slot == state.current:
                return state
            for slot, reason in choice.faulty:
                state = transitions.refusing(state, (slot.key, slot.offer), slot.version, reason)
            kept = state.current if choice.slot is None and self._superseded(state) else None
            if state.probation and choice.slot == state.previous:
                kept = state.earlier
            return replace(state, current=choice.slot, previous=kept, earlier=None, probation=False, deaths=0)

        if choice.slot != self.state().current:
            self.change(settled)

    def ready(self) -> None:
        """The start went well: the model labels. One that is not on probation has nothing more to prove."""
        self.change(transitions.survived)

    def end(self) -> None:
        """The daemon stops on purpose: on a signal, or for a cause that is not the model (a camera that hangs)."""
        self.change(transitions.ended)

    # Underneath

    def change(self, transition: Callable[[StoreState], StoreState]) -> StoreState:
        """Replaces the state by what `transition` makes of it, and removes the bundles that it no longer names.

        Raises:
            StoreError: Another command holds the store for too long, or the state cannot be written.
        """
        with self._shelf.changing():
            return self._step(transition)

    def _step(self, transition: Callable[[StoreState], StoreState]) -> StoreState:
        before, trouble = self._shelf.read_state()
        if trouble:
            self._complain(trouble)
            log.warning("The damaged file is kept as %s.", self._shelf.set_state_aside())
        after = transition(before)
        if after != before or trouble:
            self._shelf.write_state(after)
        self._shelf.prune({slot.key for slot in after.slots})
        return after

    def _complain(self, trouble: str | None) -> None:
        if trouble and trouble != self._said:
            log.warning("%s.", trouble[0].upper() + trouble[1:])
        self._said = trouble

    def _superseded(self, state: StoreState) -> str | None:
        """Why the bundled model replaces the delivered one, None where it does not."""
        current = state.current
        if current is None:
            return None
        try:
            bundled = read_bundle(self.bundled)
        except BundleError:
            return None
        newer = bundled.identity.name == current.name and is_newer(bundled.version, current.version)
        if not newer or current.over_bundled == bundle_key(bundled):
            return None
        return f"the bundled {bundled.identity.name} {bundled.version} is newer than the delivered {current.version}"

    def _bundled_key(self) -> str | None:
        try:
            return bundle_key(read_bundle(self.bundled))
        except BundleError:
            return None


def _roles(state: StoreState) -> tuple[tuple[str, InstalledModel | None], ...]:
    return (
        ("current", state.current),
        ("previous", state.previous),
        ("earlier", state.earlier),
        ("waiting", state.waiting),
    )
