"""What the page needs of the daemon for teaching: the dataset on the device, and training on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from appliance.teaching.order import PictureOrder
from appliance.teaching.wording import Target


class DatasetDevice(Protocol):
    """The dataset of the running device. Every method may be called from any thread.

    Methods raise an ApplianceError with one sentence for what cannot be done; those that take seconds say so.
    """

    def describe_labels(self) -> dict[str, Any]:
        """Return the object of GET /api/dataset/labels."""
        ...

    def add_label(self, text: str) -> str:
        """Add a label; return its valid name."""
        ...

    def rename_label(self, old: str, new: str) -> str:
        """Rename a label; return its valid name."""
        ...

    def remove_label(self, name: str) -> None:
        """Remove a label; its pictures become unlabeled."""
        ...

    def find_target(self, label: str | None, is_background: bool) -> Target:
        """Return where pictures go."""
        ...

    def list_pictures(
        self, target: Target | None, order: PictureOrder, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """Return the object of GET /api/dataset/pictures; None lists all pictures."""
        ...

    def encode_picture(self, picture_id: str, size_px: int) -> bytes:
        """Return a picture as JPEG, at most so large; takes milliseconds."""
        ...

    def move_pictures(self, ids: Sequence[str], target: Target) -> int:
        """Label pictures; return how many changed."""
        ...

    def delete_pictures(self, ids: Sequence[str]) -> int:
        """Delete pictures; return how many."""
        ...

    def undo(self) -> str:
        """Undo the last change; return what that did."""
        ...

    @property
    def undo_steps(self) -> int:
        """How many changes can be undone."""
        ...

    def record(self, target: Target, every_s: float) -> dict[str, Any]:
        """Start or renew a recording; return its state."""
        ...

    def stop_recording(self) -> dict[str, Any]:
        """End the recording; return its final state."""
        ...

    def import_pictures(self, path: Path, name: str) -> dict[str, Any]:
        """Add the pictures of a zip; takes seconds to minutes."""
        ...

    def export_pictures(self) -> dict[str, Any]:
        """Write the dataset as a zip that can be fetched once; takes seconds to minutes."""
        ...

    def take_export(self, export_id: str) -> Path:
        """Return the zip of an export, which the caller removes."""
        ...


class TrainingDevice(Protocol):
    """Training on the device. Every method may be called from any thread, and raises an ApplianceError."""

    def describe(self) -> dict[str, Any]:
        """Return the object of GET /api/training."""
        ...

    def start(self) -> None:
        """Start a training job."""
        ...

    def end(self) -> None:
        """Cancel the running job, or discard the result of the last one; takes up to 5 s."""
        ...

    def use(self, threshold: float | None) -> dict[str, Any]:
        """Install the trained model on probation; takes seconds."""
        ...
