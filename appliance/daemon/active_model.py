"""Which model labels: the one that the settings name, else what the store says, else the bundled one; as a labeler.

The daemon loads through `ActiveModel`; commands that label once take `device_bundle`.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import appliance
from appliance.bundle.bundle import Bundle, read_bundle
from appliance.errors import (
    ApplianceError,
    ModelError,
    SettingsError,
    StatePathError,
    StoreError,
)
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import LabelerSettings
from appliance.system.device_id import boot_id
from appliance.system.paths import state_dir
from appliance.updates.host import RevertedModel
from appliance.updates.store.state import InstalledModel, ModelChoice
from appliance.updates.store.store import Store
from appliance.updates.store.transitions import shown

log = logging.getLogger(__name__)

BUNDLED = Path(appliance.__file__).parent / "bundled"


def device_bundle() -> Bundle:
    """The bundle that this device runs; the bundled one where the store cannot be read.

    Raises:
        BundleError: Not even the bundled one can be read.
    """
    try:
        return Store(state_dir(), BUNDLED).current().bundle
    except (StatePathError, StoreError) as error:
        log.debug("the bundled model is used: %s", error)
        return read_bundle(BUNDLED)


def end_start(state: Path) -> None:
    """Notes that a start ended by itself, with a sentence: it does not count against the model."""
    try:
        Store(state, BUNDLED).end()
    except StoreError as error:
        log.warning("%s", error)


class ActiveModel:
    """The daemon's side of the store: loads what is to run, and notes which starts were survived.

    Attributes:
        store: The models on this device.
        current: The labeler that labels, or is about to.
        taken_back: A delivered model that this start could not keep.
    """

    def __init__(self, state: Path, settings: LabelerSettings, view: View):
        """Loads the model to run.

        Raises:
            SettingsError: The settings name a model that cannot be used.
            ModelError: No model can be loaded.
        """
        self.store = Store(state, BUNDLED)
        self._settings = settings
        self._view = view
        self.taken_back: RevertedModel | None = None
        delivered = self._delivered()
        if settings.model:  # a start that ends badly says nothing about a model that is not loaded
            self.current = self._named()
        else:
            self._note(lambda: self._begin(delivered))
            self.current = self._stored(delivered)

    def load(self) -> Labeler:
        """Loads what is to run now; whoever swaps it in makes it `current`.

        Raises:
            SettingsError, ModelError: As in the constructor.
        """
        return self._named() if self._settings.model else self._stored()

    def use_settings(self, settings: LabelerSettings, view: View, suits: Callable[[Labeler], object]) -> Labeler:
        """Loads what is to run under other settings; where that fails, the old ones go on to hold.

        Args:
            settings, view: As in the constructor.
            suits: Raises an ApplianceError where the model does not suit those settings.

        Raises:
            SettingsError, ModelError: As in the constructor, and from `suits`.
        """
        before = self._settings, self._view
        self._settings, self._view = settings, view
        try:
            labeler = self.load()
            suits(labeler)
        except ApplianceError:
            self._settings, self._view = before
            raise
        return labeler

    def load_previous(self, bundled: bool = False) -> Labeler:
        """Loads the model to go back to, before `roll_back` makes it current: what the store names has to run.

        Args:
            bundled: The bundled one, where the one before cannot be used.

        Raises:
            SettingsError, ModelError: It cannot be loaded.
        """
        if self._settings.model:
            return self._named()
        return self._load(self.store.bundle(None if bundled else self.store.state().previous))

    def roll_back(self, reason: str, to_bundled: bool = False) -> None:
        """Makes the model before this one the current one.

        Args:
            reason: Why, for people.
            to_bundled: As in `load_previous`.

        Raises:
            StoreError: There is none, or the store cannot be changed.
        """
        self.store.rollback(reason, to_bundled=to_bundled)

    @property
    def named(self) -> bool:
        """Whether the settings name the model, so that what the store says does not count."""
        return bool(self._settings.model)

    @property
    def held(self) -> str | None:
        """Why no model is put in from elsewhere, None where one can be."""
        return "labeler.model names the model, so none is delivered from elsewhere" if self.named else None

    @property
    def loaded_under(self) -> tuple[object, ...]:
        """The settings that are woven into a labeler: under others it must be loaded anew."""
        return self._settings.runtime, self._settings.threads, self._view

    def load_beside(self, bundle: Bundle) -> Labeler:
        """Loads a bundle that is to be tried; what is current stays.

        Raises:
            ModelError: It cannot be loaded, or not run.
        """
        return self._load(bundle)

    def ready(self) -> None:
        """The start went well."""
        if not self.named:
            self._note(self.store.ready)

    def end(self) -> None:
        """The daemon stops on purpose."""
        self._note(self.store.end)

    def _named(self) -> Labeler:
        try:
            return self._load(read_bundle(Path(self._settings.model)))
        except ModelError as error:
            raise SettingsError(f"labeler.model: {error}") from error

    def _stored(self, delivered: InstalledModel | None = None) -> Labeler:
        """What the store says; `delivered` is what a start found there, to be told where it could not be kept."""
        choice: ModelChoice[Labeler] = self.store.current(self._load)
        for reason in choice.reasons:
            log.warning("%s", reason)
            if delivered and reason.startswith(shown(delivered)):
                self.taken_back = RevertedModel(delivered, reason)
        self._note(lambda: self.store.settle(choice))
        return choice.loaded

    def _load(self, bundle: Bundle) -> Labeler:
        return Labeler(bundle, runtime=self._settings.runtime, threads=self._settings.threads, view=self._view)

    def _delivered(self) -> InstalledModel | None:
        try:
            return self.store.state().current
        except StoreError:
            return None  # said when the store is asked for the model

    def _begin(self, delivered: InstalledModel | None) -> None:
        if what_happened := self.store.begin(boot_id()):
            log.warning("%s", what_happened)
            if delivered and self._delivered() != delivered:
                self.taken_back = RevertedModel(delivered, what_happened)

    def _note(self, write: Callable[[], None]) -> None:
        """Writes to the store where that is possible: labeling goes on without."""
        try:
            write()
        except StoreError as error:
            log.warning("%s", error)
