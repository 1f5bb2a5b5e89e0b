"""The updater's interface to the program that labels: what the updater needs, and where it reports."""

from collections.abc import Callable
from typing import Any, Protocol

from appliance.bundle.bundle import Bundle
from appliance.updates.steps import UpdateStatus, UpdateStep


class Host(Protocol):
    """The program that runs the updater. Every method is called on the updater's thread."""

    def running_bundle(self) -> Bundle:
        """Return the bundle of the active model."""
        ...

    def delivery_blocked_reason(self) -> str | None:
        """Return why no model can be delivered now; None if one can."""
        ...

    def preload(self, bundle: Bundle) -> Any:
        """Load a bundle and run it once, while the active model continues to label.

        Returns:
            The loaded model, for `swap`.

        Raises:
            BundleError: The bundle cannot label; reject it.
            LabelOptionError: The bundle does not fit the settings, which may change.
            RuntimeMissingError: No runtime works; the bundle may be fine.
        """
        ...

    def swap(self, preloaded: Any, change: Callable[[], None]) -> None:
        """Apply `change` to the store and activate the preloaded model between two frames; return when it labels.

        Raises:
            StoreError: `change` raised it; the active model stays.
            LabelOptionError: The model no longer fits the settings; nothing was changed.
        """
        ...

    def reload_current(self, change: Callable[[], None]) -> None:
        """Apply `change` to the store, then activate the store's current model.

        Raises:
            StoreError, ModelError: The change or the activation failed.
        """
        ...

    def rollback(self, reason: str, refuse: bool = True) -> None:
        """Load the previous model, then roll the store back and activate that model.

        Args:
            reason: The reason, for people.
            refuse: Whether the model that is left must not be installed again when it is offered.

        Raises:
            StoreError, ModelError: The rollback failed; nothing was changed.
        """
        ...

    def apply_remote_threshold(self, threshold: float | None) -> None:
        """Use Remote Config's common threshold instead of that of the settings; None if Remote Config sets none."""
        ...

    def stuck_reason(self) -> str | None:
        """Return where labeling is stuck; None if it is not."""
        ...

    def report_step(self, step: UpdateStep) -> None:
        """Report a step of an update."""
        ...

    def report_status(self, change: Callable[[UpdateStatus], UpdateStatus]) -> None:
        """Report the update status, given as a change of the current one; a step changes it too."""
        ...
