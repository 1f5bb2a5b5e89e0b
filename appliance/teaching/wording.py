"""Where pictures go, and the words for it; access to the folders of the dataset."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import TeachingError, describe_os_error
from appliance.system.owner import act_as_owner
from appliance.teaching.names import BACKGROUND

if TYPE_CHECKING:
    from appliance.teaching.folders import TeachingPicture


@dataclass(frozen=True, slots=True)
class Target:
    """Where pictures go: under a label, to the background, or to the unlabeled ones.

    Attributes:
        label: The label; None for background or no label.
        is_background: Whether they show none of the labels.
    """

    label: str | None = None
    is_background: bool = False

    @property
    def folder(self) -> str | None:
        """The name of the folder in the dataset; None for its top."""
        return BACKGROUND if self.is_background else self.label

    def contains(self, picture: "TeachingPicture") -> bool:
        """Return whether a picture is here already."""
        return (picture.label, picture.is_background) == (self.label, self.is_background)

    @property
    def words(self) -> str:
        """The target in a sentence: "as cup"."""
        return (
            "as none of the labels" if self.is_background else f"as {self.label}" if self.label else "without a label"
        )


@contextmanager
def guard_folder(folder: Path) -> Iterator[None]:
    """Act as the owner of a folder, and turn an error of the file system into a sentence.

    Args:
        folder: The state folder, which root must not write to with its own rights.

    Raises:
        TeachingError: The block raised an OSError.
    """
    try:
        with act_as_owner(folder):
            yield
    except OSError as error:
        raise TeachingError(507, f"the dataset cannot be changed: {describe_os_error(error)}") from error


def count_pictures(number: int) -> str:
    """Return "1 picture" or "5 pictures"."""
    return "1 picture" if number == 1 else f"{number} pictures"
