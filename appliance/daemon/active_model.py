"""Select and load the active model: that of the settings, else that of the store, else the bundled one.

The daemon loads through `ActiveModel`; commands that label once use `read_device_bundle`.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.key import bundle_key
from appliance.daemon.input_notices import InputNotices
from appliance.daemon.process_deaths import ProcessDeaths
from appliance.errors import ApplianceError, BundleError, ModelError, SettingsError, StoreError
from appliance.imaging.view import View
from appliance.labeling.kernels import describe_slow_kernels
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import LabelerSettings
from appliance.system.device_id import boot_id
from appliance.system.paths import find_state_dir
from appliance.system.shipped import DEFAULT, FOR_DRAWN_SCENES, NAMES, find_shipped
from appliance.updates.store.state import InstalledModel, ModelChoice, RevertedModel
from appliance.updates.store.store import Store
from appliance.updates.store.transitions import display_name

log = logging.getLogger("appliance.daemon")

_SHIPPED = {name: find_shipped(name) for name in NAMES}
# The value of camera.source for drawn scenes.
_DRAWN = "scene"
# The reason that is stored and published when a person asks for a rollback.
OWNER_ROLLBACK = "the owner went back to the previous model"


def open_store(state: Path, camera: str | None = None) -> Store:
    """Return the model store of a state folder, with the bundles that ship with the program.

    Args:
        state: The state folder.
        camera: The setting camera.source; None if it is not known here.
    """
    return Store(state, _SHIPPED[DEFAULT], others=_SHIPPED, draws=None if camera is None else camera == _DRAWN)


def read_device_bundle(camera: str | None = None) -> Bundle:
    """Return the bundle that this device runs; the bundled model if no other one is installed.

    Args:
        camera: As for open_store.

    Raises:
        StatePathError: This account may not read the state folder.
        StoreError: The store cannot be read.
        BundleError: The bundled model cannot be read.
    """
    return open_store(find_state_dir(), camera).load_current().bundle


def read_bundle_in_force(configured: str, camera: str | None = None) -> Bundle:
    """Return the bundle that labeler.model names, else the one that this device runs.

    Args:
        configured: The setting labeler.model.
        camera: As for open_store.

    Raises:
        BundleError, StatePathError, StoreError: As for read_device_bundle; an error of labeler.model names it.
    """
    if not configured:
        return read_device_bundle(camera)
    try:
        return read_bundle(Path(configured))
    except BundleError as error:
        raise BundleError(f"labeler.model: {error}") from error


def record_clean_exit(state: Path) -> None:
    """Record that a start ended with an error message, so that it does not count against the model."""
    try:
        open_store(state).record_stop()
    except StoreError as error:
        log.warning("%s", error)


class ActiveModel:
    """The daemon's side of the store: load the active model, and record which starts succeeded.

    Attributes:
        store: The models on this device.
        current: The labeler used now, or from the next frame on.
        reverted: A delivered model that this start could not keep; None if there is none.
    """

    def __init__(self, state: Path, settings: LabelerSettings, view: View, camera: str = ""):
        """Load the active model.

        Args:
            state: The state folder.
            settings: The labeler section.
            view: Orientation and region of frames.
            camera: The setting camera.source.

        Raises:
            SettingsError: The settings name a model that cannot be used.
            ModelError: No model can be loaded.
        """
        self.store = open_store(state, camera)
        self._camera = camera
        self._settings = settings
        self._view = view
        self.reverted: RevertedModel | None = None
        self._store_error: str | None = None
        self._notices = InputNotices()
        self._deaths = ProcessDeaths(state, boot_id())
        crash = self._deaths.take_crash()
        delivered = self._read_delivered()
        if settings.model:  # a failed start is not the fault of a delivered model that is not loaded
            self.current = self._load_configured()
        else:
            self._try_store(lambda: self._record_start(delivered))
            self._try_store(lambda: self._check_deaths(delivered, crash))
            self.current = self._load_stored(delivered)

    def load(self) -> Labeler:
        """Load the active model. The caller must assign `current` after the swap.

        Raises:
            SettingsError, ModelError: As in the constructor.
        """
        return self._load_configured() if self._settings.model else self._load_stored()

    def apply_settings(
        self, settings: LabelerSettings, view: View, check: Callable[[Labeler], object], camera: str | None = None
    ) -> Labeler:
        """Load the active model under other settings; keep the previous settings if that fails.

        Args:
            settings: The labeler section.
            view: Orientation and region of frames.
            check: Raises an ApplianceError if the model does not fit the settings.
            camera: The setting camera.source; None for the same as before.

        Raises:
            SettingsError, ModelError: As in the constructor, or `check` raised it.
        """
        before = self._settings, self._view, self._camera
        self._settings, self._view = settings, view
        self._use_camera(self._camera if camera is None else camera)
        try:
            labeler = self.load()
            check(labeler)
        except ApplianceError:
            self._settings, self._view, previous = before
            self._use_camera(previous)
            raise
        return labeler

    def load_previous(self, bundled: bool = False) -> Labeler:
        """Load the model that `roll_back` will make current, to make sure that it runs before the store changes.

        Args:
            bundled: Whether to load the bundled model instead, because the previous one cannot be used.

        Raises:
            SettingsError, ModelError: The model cannot be loaded.
        """
        if self._settings.model:
            return self._load_configured()
        return self._load(self.store.load_bundle(None if bundled else self.store.read_state().previous))

    def roll_back(self, reason: str, to_bundled: bool = False, refuse: bool = True) -> None:
        """Make the previous model the current one in the store.

        Args:
            reason: The reason, for people.
            to_bundled: See `bundled` in `load_previous`.
            refuse: Whether the model must not be installed again when it is offered.

        Raises:
            StoreError: There is no previous model, or the store cannot be changed.
        """
        self.store.rollback(reason, refuse, to_bundled)

    @property
    def input_description(self) -> str:
        """The input of the current model, what states it, and why it is doubtful, if it is; for people."""
        return self._notices.describe(self.current)

    @property
    def is_overridden(self) -> bool:
        """Whether labeler.model names the model and so overrides the store."""
        return bool(self._settings.model)

    @property
    def delivery_blocked_reason(self) -> str | None:
        """Why no model can be delivered; None if one can be."""
        return "labeler.model names the model, so no other model is delivered" if self.is_overridden else None

    @property
    def load_options(self) -> tuple[object, ...]:
        """The settings that a labeler is built with; if they change, the model must be loaded again."""
        return self._settings.runtime, self._settings.threads, self._view

    def load_candidate(self, bundle: Bundle) -> Labeler:
        """Load a candidate bundle; `current` is unchanged.

        Raises:
            ModelError: The bundle cannot be loaded or run.
        """
        return self._load(bundle)

    def mark_ready(self) -> None:
        """Record that this start succeeded."""
        if not self.is_overridden:
            self._try_store(self.store.mark_ready)

    def mark_stopped(self) -> None:
        """Record that the daemon stops on purpose, so that this start does not count against the model."""
        self._try_store(self.store.record_stop)

    def record_hang(self, reason: str) -> None:
        """Record that the process ends because a call of the active model does not return."""
        self._deaths.record(bundle_key(self.current.bundle), f"it does not respond: {reason}")

    def watch_crashes(self) -> None:
        """Make a crash of native code leave a record for the next start."""
        self._deaths.watch_crashes()

    def _load_configured(self) -> Labeler:
        try:
            return self._load(read_bundle(Path(self._settings.model)))
        except ModelError as error:
            raise SettingsError(f"labeler.model: {error}") from error

    def _load_stored(self, delivered: InstalledModel | None = None) -> Labeler:
        """Load the store's model; set `reverted` if `delivered`, the model at the start, could not be kept."""
        try:
            choice: ModelChoice[Labeler] = self.store.load_current(self._load)
        except StoreError as error:
            log.warning("%s; the bundled model is used", error)
            return self._load(read_bundle(_SHIPPED[FOR_DRAWN_SCENES if self._camera == _DRAWN else DEFAULT]))
        for reason in choice.reasons:
            log.warning("%s", reason)
            if delivered and reason.startswith(display_name(delivered)):
                self.reverted = RevertedModel(delivered, reason)
        self._try_store(lambda: self.store.record_choice(choice))
        return choice.loaded

    def _load(self, bundle: Bundle) -> Labeler:
        labeler = Labeler(bundle, runtime=self._settings.runtime, threads=self._settings.threads, view=self._view)
        self._notices.note(labeler)
        if warning := describe_slow_kernels(labeler.kernels, labeler.runtime):
            log.warning("%s", warning)
        return labeler

    def _use_camera(self, camera: str) -> None:
        if camera != self._camera:
            self._camera = camera
            self._try_store(lambda: self.store.use_camera(camera == _DRAWN))

    def _read_delivered(self) -> InstalledModel | None:
        try:
            return self.store.read_state().current
        except StoreError:
            return None  # logged when the model is loaded from the store

    def _record_start(self, delivered: InstalledModel | None) -> None:
        if report := self.store.record_start(boot_id()):
            log.warning("%s", report)
            if delivered and self._read_delivered() != delivered:
                self.reverted = RevertedModel(delivered, report)

    def _check_deaths(self, delivered: InstalledModel | None, crash: str | None) -> None:
        """Go back from a delivered model that ended the process too often, although its probation is over."""
        if delivered is None or self._read_delivered() != delivered:
            return
        if crash:
            self._deaths.record(delivered.key, crash)
        if reason := self._deaths.find_fault(delivered.key):
            self.store.rollback(reason)
            self._deaths.forget()
            log.warning("%s was rolled back: %s", display_name(delivered), reason)
            self.reverted = RevertedModel(delivered, reason)

    def _try_store(self, write: Callable[[], None]) -> None:
        """Write to the store; labeling continues if that fails, which is logged once."""
        try:
            write()
        except StoreError as error:
            if str(error) != self._store_error:
                log.warning("%s", error)
            self._store_error = str(error)
