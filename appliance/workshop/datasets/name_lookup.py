"""Find the picture that an index means if it gives only the end of its path, or a name without a suffix."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from appliance.workshop.datasets.formats import is_picture_suffix


class NameLookup:
    """The paths of the files of a dataset, by their names."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Index the paths, relative to the folder of the dataset, with slashes."""
        self._by_name: dict[str, list[PurePosixPath]] = {}
        self._by_stem: dict[str, list[PurePosixPath]] = {}
        self._by_folded_name: dict[str, list[PurePosixPath]] = {}
        for text in paths:
            path = PurePosixPath(text)
            self._by_name.setdefault(path.name, []).append(path)
            self._by_folded_name.setdefault(path.name.casefold(), []).append(path)
            if is_picture_suffix(path.suffix):
                self._by_stem.setdefault(path.stem, []).append(path)

    def find(self, name: str) -> str | None:
        """Return the only path that ends with `name`, or with `name` and a picture's suffix; None if there is none.

        Names that differ only in case are the same, as on Windows, if there is no better one.
        """
        wanted = PurePosixPath(name.replace("\\", "/"))
        parents = wanted.parent.parts
        for paths in (self._by_name.get(wanted.name, ()), self._by_stem.get(wanted.name, ())):
            fitting = [path for path in paths if path.parent.parts[len(path.parent.parts) - len(parents) :] == parents]
            if len(fitting) == 1:
                return str(fitting[0])
        folded = [part.casefold() for part in parents]
        similar = [
            path for path in self._by_folded_name.get(wanted.name.casefold(), ())
            if [part.casefold() for part in path.parent.parts[len(path.parent.parts) - len(parents) :]] == folded
        ]  # fmt: skip
        return str(similar[0]) if len(similar) == 1 else None
