"""The model store: the active delivered model, the previous one, a staged one, and the rejections.

Every change is one step from one consistent state to the next and is written atomically (folder.py has the files,
state.py the values), so a kill between two steps leaves a model that works. The steps of an update, in order: `add`
puts a bundle on disk, `swap` makes it current, with or without probation, `commit` ends the probation, and `rollback`
goes back. The daemon records its own life cycle: `record_start`, `load_current` and `record_choice`, `mark_ready`,
`record_stop`.

None instead of a delivered model means the bundled model, which is part of the program and is never removed. Of several
bundled models it is the one that the state names, or the one with the name of the delivered model that it replaces.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.errors import StoreError
from appliance.system.timestamps import now_rfc3339
from appliance.updates.store import transitions
from appliance.updates.store.bundled import BundledModels
from appliance.updates.store.choice import choose_model
from appliance.updates.store.folder import ModelFolder
from appliance.updates.store.listing import list_models
from appliance.updates.store.state import InstalledModel, Listed, Loaded, ModelChoice, Rejection, StoreState

log = logging.getLogger("appliance.updates")


class Store:
    """The models of one device. Safe to use from several threads and processes at the same time."""

    def __init__(
        self,
        state: Path,
        bundled: Path,
        lock_wait_s: float = 10.0,
        others: Mapping[str, Path] = MappingProxyType({}),
        draws: bool | None = None,
    ):
        """Set the paths; nothing is read or written yet.

        Args:
            state: The state folder; the store is its subfolder `models`, which the first change creates.
            bundled: The bundle that is part of the program and labels until another one is installed.
            lock_wait_s: The maximum wait for another command that is changing the store.
            others: All bundles that are part of the program, by their names.
            draws: Whether the camera is drawn scenes; None if that is not known here, for what the state has.
        """
        self.bundled = bundled
        self._bundled = BundledModels(bundled, others)
        self._folder = ModelFolder(state / "models", lock_wait_s)
        self._draws = draws
        self._logged_error: str | None = None

    def read_state(self) -> StoreState:
        """Return the state; if its file is damaged, log that once and return an empty state.

        Raises:
            StoreError: The file exists and cannot be read.
        """
        state, error = self._folder.read_state()
        self._log_once(error)
        return self._adapt(state)

    def path(self, model: InstalledModel | None) -> Path:
        """Return the bundle's folder."""
        return self._folder.path / model.key if model else self._bundled.find(self._adapt(self._folder.read_state()[0]))

    def list(self) -> list[Listed]:
        """List every model on this device, the current one first.

        Raises:
            BundleError: The bundled model cannot be read.
            StoreError: The store cannot be read.
        """
        state = self.read_state()
        used = read_bundle(self._bundled.find(state)).identity
        return list_models(state, used, self._bundled.list_others(state))

    def rejection(self, *hashes: str | None) -> Rejection | None:
        """Return the newest rejection with one of these hashes; None if there is none."""
        return next((each for each in reversed(self.read_state().rejections) if each.hash in hashes), None)

    def load_bundle(self, model: InstalledModel | None) -> Bundle:
        """Load a bundle of this device, with its variant and experiment; None loads the bundled one.

        Raises:
            BundleError: The files are missing or damaged.
        """
        if model is None:
            return read_bundle(self._bundled.find(self.read_state()))
        bundle = self._folder.read(model.key)
        return replace(bundle, identity=replace(bundle.identity, variant=model.variant, experiment=model.experiment))

    # The steps of an update

    def add(
        self,
        bundle: Bundle,
        origin: str,
        offer: str | None = None,
        variant: str | None = None,
        experiment: str | None = None,
        overrides_bundled: bool = False,
    ) -> InstalledModel:
        """Put a bundle on disk as the staged one; the active model stays.

        Args:
            bundle: The bundle; it should pass the probe before it is swapped in.
            origin: As in InstalledModel.
            offer: As in InstalledModel.
            variant: As in InstalledModel.
            experiment: As in InstalledModel.
            overrides_bundled: Whether the current bundled model must not replace it at a start, even with a higher
                version; for an operator who chooses an older model on purpose.

        Returns:
            The entry for `swap`.

        Raises:
            BundleError: The files changed while they were read.
            StoreError: The store cannot be changed.
        """
        override_key = self._bundled.read_key(bundle.identity.name, self.read_state()) if overrides_bundled else None
        with self._folder.lock():
            model = InstalledModel(
                key=self._folder.put(bundle),
                name=bundle.identity.name,
                version=bundle.identity.version,
                sha256=bundle.identity.sha256,
                origin=origin,
                delivered=now_rfc3339(),
                offer=offer,
                variant=variant,
                experiment=experiment,
                bundled_override_key=override_key,
            )
            self._apply_locked(lambda state: replace(state, staged=model))
        return model

    def swap(self, model: InstalledModel, probation: bool) -> None:
        """Make an added bundle the current model, and the current model the previous one.

        Args:
            model: The result of `add`.
            probation: Whether the model is on probation until `commit`.

        Raises:
            StoreError: The files are gone, or the state cannot be written.
        """

        def activate(state: StoreState) -> StoreState:
            if not self._folder.has(model.key):
                raise StoreError(
                    f"the files of {transitions.display_name(model)} are gone from {self._folder.path}; "
                    "deliver it again"
                )
            return transitions.activate(state, model, probation)

        self.apply(activate)

    def install(self, bundle: Bundle, origin: str, probation: bool = False) -> InstalledModel:
        """Add a bundle and swap it in at the owner's request; forget a rejection of this bundle."""
        model = self.add(bundle, origin)
        self.swap(model, probation)
        return model

    def discard_staged(self) -> None:
        """Drop the staged bundle and its files."""
        self.apply(lambda state: replace(state, staged=None))

    def commit(self) -> None:
        """End the probation of the current model."""
        self.apply(transitions.commit)

    def rollback(self, reason: str, refuse: bool = True, to_bundled: bool = False) -> InstalledModel | None:
        """Go back from the current model to the previous one.

        Args:
            reason: The reason, for people.
            refuse: Whether to reject the model as faulty or unwanted, so that it is not installed again when offered.
            to_bundled: Whether to activate the bundled model instead, because the previous one cannot be used now; the
                previous one is kept.

        Returns:
            The new current model; None for the bundled one.

        Raises:
            StoreError: There is no model to go back to, or the state cannot be written.
        """

        def rollback(state: StoreState) -> StoreState:
            if state.current is None and state.previous is None:
                raise StoreError("there is no model to go back to: the bundled model is in use, and none preceded it")
            return transitions.rollback(state, reason if refuse else None, self._bundled_key(state), to_bundled)

        return self.apply(rollback).current

    def reject(self, hash: str, version: str, reason: str) -> None:
        """Remember that the offer with this hash must not be installed again."""
        self.apply(lambda state: transitions.reject(state, (hash,), version, reason))

    def forget_rejections(self, keep: str | None = None, keep_version: str | None = None) -> None:
        """Forget the rejections, except those with the hash `keep` or the version `keep_version`.

        Raises:
            StoreError: The state cannot be written.
        """
        if transitions.forget_rejections(state := self.read_state(), keep, keep_version) != state:
            self.apply(lambda state: transitions.forget_rejections(state, keep, keep_version))

    # The daemon's life cycle

    def record_start(self, boot: str) -> str | None:
        """Record a start of the daemon before it loads a model; roll back a model that keeps starts from succeeding.

        A start that is followed by neither `record_stop` nor a reboot has failed. Two failed starts in a row roll back
        the current model: during its probation in any case, and afterward only if neither start reached `mark_ready`.

        Args:
            boot: The kernel's boot id (system.device_id.boot_id), which changes with a power cut but not with a crash.

        Returns:
            What happened to the store, for the report; None if nothing.

        Raises:
            StoreError: The store cannot be written; labeling can continue without it.
        """
        reports = [self._folder.read_state()[1]]

        def start(state: StoreState) -> StoreState:
            state, report = transitions.on_start(state, boot, self._bundled_key(state))
            reports.append(report)
            return state

        self.apply(start)
        return "; ".join(filter(None, reports)) or None

    def load_current(self, load: Callable[[Bundle], Loaded] = lambda bundle: bundle) -> ModelChoice[Loaded]:  # type: ignore[assignment,return-value] # without load, Loaded is Bundle
        """Load the model to run: the delivered one, else the previous one, else the bundled one. Write nothing.

        The bundled model comes first if it has the same name as the delivered one and a higher version. If one of
        several bundled models has that name, it is also the one that is used if no delivered model can be loaded.

        Args:
            load: Turns a bundle into what the caller needs; raises BundleError if the bundle cannot run.

        Raises:
            BundleError: No model can be loaded.
            StoreError: The store cannot be read.
        """
        state, error = self._folder.read_state()
        self._log_once(error)
        state = self._adapt(state)
        order = list(dict.fromkeys([state.current, state.previous, None]))
        reasons = [error] if error else []
        if newer := self._bundled.find_newer(state):
            order = list(dict.fromkeys([None, *order]))
            reasons.append(newer)

        def read(model: InstalledModel | None) -> Bundle:
            return self.load_bundle(model) if model else read_bundle(self._bundled.find_substitute(state))

        return choose_model(order, read, load, reasons)

    def record_choice(self, choice: ModelChoice[Loaded]) -> None:
        """Make the model that `load_current` chose the current one, and reject faulty ones.

        A model whose files were damaged on this disk is not rejected: it may be delivered again.

        Raises:
            StoreError: The state cannot be written.
        """

        def adopt(state: StoreState) -> StoreState:
            if choice.installed == state.current:
                return state
            for model, reason in choice.faulty:
                state = transitions.reject(state, (model.key, model.offer), model.version, reason)
            previous = state.current if choice.installed is None and self._bundled.find_newer(state) else None
            if state.probation and choice.installed == state.previous:
                previous = state.before_previous
            return replace(
                state,
                current=choice.installed,
                bundled=state.bundled if choice.installed else self._bundled.choose_name(state),
                previous=previous,
                before_previous=None,
                probation=False,
                failed_starts=0,
            )

        if choice.installed != self.read_state().current:
            self.apply(adopt)

    def use_camera(self, draws: bool) -> None:
        """Label drawn scenes from now on, or no longer, with the bundled model that knows them.

        Raises:
            StoreError: The state cannot be written; this process does so nevertheless.
        """
        self._draws = draws
        self.apply(lambda state: state)

    def mark_ready(self) -> None:
        """Record that the start succeeded and the model labels."""
        self.apply(transitions.mark_ready)

    def record_stop(self) -> None:
        """Record that the daemon stops on purpose, on a signal or for a reason other than the model."""
        self.apply(transitions.on_stop)

    def apply(self, transition: Callable[[StoreState], StoreState]) -> StoreState:
        """Replace the state with the result of `transition`, and remove bundles that it no longer refers to.

        Raises:
            StoreError: Another command held the lock for too long, or the state cannot be written.
        """
        with self._folder.lock():
            return self._apply_locked(transition)

    def _apply_locked(self, transition: Callable[[StoreState], StoreState]) -> StoreState:
        before, error = self._folder.read_state()
        if error:
            self._log_once(error)
            log.warning("kept the damaged file as %s", self._folder.set_state_aside())
        after = transition(self._adapt(before))
        if after.bundled is None:
            after = replace(after, bundled=self._bundled.default_name)
        if after != before or error:
            self._folder.write_state(after)
        self._folder.prune({model.key for model in after.models})
        return after

    def _adapt(self, state: StoreState) -> StoreState:
        """Return the state for the camera of this process."""
        return state if self._draws is None else replace(state, draws=self._draws)

    def _log_once(self, error: str | None) -> None:
        if error and error != self._logged_error:
            log.warning("%s", error)
        self._logged_error = error

    def _bundled_key(self, state: StoreState) -> str | None:
        """Return the key of the bundled model that could replace the previous model after a rollback to it."""
        return self._bundled.read_key(state.previous.name, state) if state.previous else None
