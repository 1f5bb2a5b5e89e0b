"""The bundles that are part of the program: which one labels at first, and which one can replace a delivered one."""

from collections.abc import Mapping
from pathlib import Path

from appliance.bundle.bundle import read_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.key import bundle_key
from appliance.bundle.version import is_newer
from appliance.errors import BundleError
from appliance.system.owner import act_as_caller
from appliance.system.shipped import FOR_DRAWN_SCENES
from appliance.updates.store.state import TRAINED_HERE, StoreState


class BundledModels:
    """The bundled models of one device."""

    def __init__(self, default: Path, by_name: Mapping[str, Path]) -> None:
        """Set the folders; nothing is read yet.

        Args:
            default: The bundle that labels until another one is installed.
            by_name: All bundles that are part of the program, by their names; the default one may be missing.
        """
        self._default = default
        self._by_name = by_name

    @property
    def default_name(self) -> str | None:
        """The name of the default one, if it is among the others."""
        return next((name for name, folder in self._by_name.items() if folder == self._default), None)

    def find(self, state: StoreState) -> Path:
        """Return the folder of the bundled model that labels if the state has no delivered one."""
        name = FOR_DRAWN_SCENES if state.draws else state.bundled
        return self._by_name.get(name, self._default) if name else self._default

    def find_for(self, name: str, state: StoreState) -> Path:
        """Return the folder of the bundled model that can replace a model: the one with its name, else as `find`."""
        return self._by_name.get(name) or self.find(state)

    def find_substitute(self, state: StoreState) -> Path:
        """Return the folder of the bundled model that can replace the current model."""
        return self.find_for(state.current.name, state) if state.current else self.find(state)

    def choose_name(self, state: StoreState) -> str | None:
        """Return the name of the bundled model to keep when the current model is given up."""
        return state.current.name if state.current and state.current.name in self._by_name else state.bundled

    def read_key(self, name: str, state: StoreState) -> str | None:
        """Return the key of the bundled model that can replace a model with this name; None if it cannot be read."""
        folder = self.find_for(name, state)
        try:
            with act_as_caller():  # the program may be in a folder that only root can read
                return bundle_key(read_bundle(folder))
        except BundleError:
            return None

    def find_newer(self, state: StoreState) -> str | None:
        """Return why the bundled model replaces the delivered one at a start; None if it does not."""
        current = state.current
        if current is None or current.origin == TRAINED_HERE:
            return None
        try:
            bundled = read_bundle(self.find_substitute(state))
        except BundleError:
            return None
        has_newer = bundled.identity.name == current.name and is_newer(bundled.version, current.version)
        if not has_newer or current.bundled_override_key == bundle_key(bundled):
            return None
        return f"the bundled {bundled.identity.name} {bundled.version} is newer than the delivered {current.version}"

    def list_others(self, state: StoreState) -> list[ModelIdentity]:
        """Return the bundled models other than that of `find`.

        Raises:
            BundleError: One of them cannot be read.
        """
        used = self.find(state)
        return [read_bundle(folder).identity for folder in self._by_name.values() if folder != used]
