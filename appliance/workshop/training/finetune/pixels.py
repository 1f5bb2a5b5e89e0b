"""Decode the pictures once, into a file that is mapped into memory, because each epoch uses them again."""

import io
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from appliance.errors import ApplianceError
from appliance.imaging.files import read_picture
from appliance.imaging.view import View
from appliance.labeling.input_form import InputForm
from appliance.labeling.preprocess import Preprocessor
from appliance.workshop.training.feature_workers import count_workers
from appliance.workshop.training.features import Picture
from appliance.workshop.training.mapped_file import map_nameless_file


class PixelFile:
    """Pictures of one size, in a file without a name: a killed process leaves nothing behind."""

    def __init__(self, count: int, side_px: int, folder: Path | None = None) -> None:
        """Create a file of zeros.

        Args:
            count: The number of pictures; at least 1.
            side_px: The side of the pictures.
            folder: Contains the file; None for the system's temporary folder.

        Raises:
            TrainingError: The disk has too little space.
        """
        content = f"fine-tuning on {count} pictures needs"
        mapped = map_nameless_file(count * side_px * side_px * 3, folder, "pixels-", content)
        self._values = np.frombuffer(mapped, np.uint8).reshape(count, side_px, side_px, 3)
        self._rows = np.zeros(0, np.intp)

    def __len__(self) -> int:
        """Return the number of pictures that could be read."""
        return len(self._rows)

    def get(self, indexes: np.ndarray) -> np.ndarray:
        """Return some of the pictures that could be read, (n, side_px, side_px, 3) uint8 RGB."""
        pixels: np.ndarray = self._values[self._rows[indexes]]
        return pixels

    def read(self, pictures: Sequence[Picture], progress: Callable[[int, int], None]) -> np.ndarray:
        """Decode the pictures and resize them as a device does for the model, the whole picture stretched.

        Args:
            pictures: As many as the file has.
            progress: Called with (done, total) from time to time, on the calling thread.

        Returns:
            The indexes of the pictures that could be read.
        """
        side_px = self._values.shape[1]
        form = InputForm((side_px, side_px), np.dtype(np.uint8), shape=(1, side_px, side_px, 3))
        own, is_read = threading.local(), np.zeros(len(pictures), bool)

        def decode(index: int) -> None:
            if not hasattr(own, "preprocessor"):
                own.preprocessor = Preprocessor(View(), form)
            picture = pictures[index]
            try:
                pixels = read_picture(io.BytesIO(picture.read_bytes()), picture.name)
            except (OSError, ApplianceError):
                return
            self._values[index] = own.preprocessor.prepare(pixels)[0]
            is_read[index] = True

        with ThreadPoolExecutor(count_workers(), "decode") as pool:
            for done, _ in enumerate(pool.map(decode, range(len(pictures))), start=1):
                progress(done, len(pictures))
        self._rows = np.flatnonzero(is_read)
        return self._rows
