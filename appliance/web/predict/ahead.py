"""Decode the next pictures of a request on a thread of its own while the model runs, which needs another processor."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from appliance.errors import RequestError
from appliance.system.threads import lower_thread_priority

LARGE_BYTES = 1_000_000
"""Of pixels: a picture of 640 x 480 is smaller. JPEGs are nearly always, because they are decoded at a lower size."""
RESTARTING = "the device is restarting; try again in a minute"
_Result = TypeVar("_Result")


class AheadDecoder:
    """A thread of low priority that decodes. It serves one request at a time."""

    def __init__(self) -> None:
        """Prepare; the thread starts with the first request of several pictures."""
        self._pool = ThreadPoolExecutor(1, "web-decode", initializer=lower_thread_priority)

    def use_each(self, pictures: Iterator[np.ndarray], use: Callable[[np.ndarray], _Result]) -> list[_Result]:
        """Return what `use` returns for each picture, in their order, while another thread computes the next ones.

        At most two pictures are in memory, and while a large one waits or is used, no other one is decoded.

        Args:
            pictures: Decodes them one by one; its errors reach the caller.
            use: Called with each picture on this thread.

        Raises:
            RequestError: The decoder was closed.
        """
        ready: SimpleQueue[np.ndarray | BaseException | None] = SimpleQueue()
        used: SimpleQueue[None] = SimpleQueue()
        is_over = threading.Event()

        def decode() -> None:
            waiting = 0
            try:
                for pixels in pictures:
                    # One ahead is enough, and its memory is used again while it is in the processor's cache.
                    most = 0 if pixels.nbytes > LARGE_BYTES else 1
                    waiting += 1
                    ready.put(pixels)
                    del pixels
                    while waiting > most and not is_over.is_set():
                        used.get()
                        waiting -= 1
                    if is_over.is_set():
                        return
                ready.put(None)
            except BaseException as error:  # noqa: BLE001 - passed on to the caller
                ready.put(error)

        try:
            self._pool.submit(decode)
        except RuntimeError as error:  # it was shut down
            raise RequestError(503, RESTARTING) from error
        results = []
        try:
            while isinstance(pixels := ready.get(), np.ndarray):
                results.append(use(pixels))
                pixels = None
                used.put(None)
        finally:
            is_over.set()
            used.put(None)
        if pixels is not None:
            raise pixels
        return results

    def close(self) -> None:
        """Let the thread end after the current request."""
        self._pool.shutdown(wait=False)
