"""The bundles that are part of the program: which one labels at first, and which one can replace a delivered one."""

from collections.abc import Mapping
from pathlib import Path

from appliance.bundle.bundle import read_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.key import bundle_key
from appliance.errors import BundleError
from appliance.system.owner import act_as_caller
from appliance.updates.store.state import StoreState


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

    def find(self, name: str | None) -> Path:
        """Return the folder of the bundled model with this name; that of the default one if there is none."""
        return self._by_name.get(name, self._default) if name else self._default

    def find_substitute(self, state: StoreState) -> Path:
        """Return the folder of the bundled model that can replace the current model: the one with its name, if any."""
        return self.find(self.choose_name(state))

    def choose_name(self, state: StoreState) -> str | None:
        """Return the name of the bundled model that can replace the current model; None for the default one."""
        return state.current.name if state.current and state.current.name in self._by_name else state.bundled

    def read_key(self, name: str, state: StoreState) -> str | None:
        """Return the key of the bundled model that can replace a model with this name; None if it cannot be read."""
        folder = self.find(name if name in self._by_name else state.bundled)
        try:
            with act_as_caller():  # the program may be in a folder that only root can read
                return bundle_key(read_bundle(folder))
        except BundleError:
            return None

    def list_others(self, name: str | None) -> list[ModelIdentity]:
        """Return the bundled models other than the one with this name.

        Raises:
            BundleError: One of them cannot be read.
        """
        used = self.find(name)
        return [read_bundle(folder).identity for folder in self._by_name.values() if folder != used]
