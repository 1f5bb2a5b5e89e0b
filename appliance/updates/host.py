"""The interface between model updates and the program that labels: what the updater needs, and what it reports."""

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
        """Return why no model can be delivered now, None if one can."""
        ...

    def preload(self, bundle: Bundle) -> Any:
        """Load a bundle and run it once, while the active model goes on labeling.

        Returns:
            The loaded model, for `swap`.

        Raises:
            BundleError: It cannot label; reject the bundle.
            LabelOptionError: It does not suit the settings, which may change.
            RuntimeMissingError: No runtime works; the bundle may be good.
        """
        ...

    def swap(self, preloaded: Any, change: Callable[[], None]) -> None:
        """Apply `change` to the store and activate the preloaded model between two frames; return when it labels.

        Raises:
            StoreError: From `change`; the active model stays.
            LabelOptionError: It no longer suits the settings; nothing was changed.
        """
        ...

    def reload_current(self, change: Callable[[], None]) -> None:
        """Apply `change` to the store and activate the model that is current in it afterwards.

        Raises:
            StoreError, ModelError: It failed.
        """
        ...

    def rollback(self, reason: str) -> None:
        """Roll the store back and activate the model before the current one, which is loaded first.

        Raises:
            StoreError, ModelError: It failed; nothing was changed.
        """
        ...

    def apply_remote_threshold(self, threshold: float | None) -> None:
        """Use the common threshold of Remote Config instead of the settings'; None: Remote Config has none."""
        ...

    def stuck_reason(self) -> str | None:
        """Return what labeling hangs in, None if it does not."""
        ...

    def report_step(self, step: UpdateStep) -> None:
        """Report a step of an update."""
        ...

    def report_status(self, status: UpdateStatus) -> None:
        """Report the status of updates."""
        ...
