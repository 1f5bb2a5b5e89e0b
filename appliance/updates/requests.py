"""What the owner asks of the update machine, on its way from the thread that was asked to the machine's own."""

import queue
from concurrent.futures import Future
from typing import Any


class UpdateRequest:
    """Something that was asked for, and who waits for the answer.

    Attributes:
        version: What is to be installed; None: only look what is offered.
        future: The answer.
    """

    def __init__(self, version: str | None):
        self.version = version
        self.future: Future[dict[str, Any]] = Future()

    def done(self, answer: dict[str, Any]) -> None:
        """It was carried out. Only the first answer counts."""
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """It cannot be carried out."""
        if not self.future.done():
            self.future.set_exception(error)


class RequestQueue:
    """Orders in the sequence in which they came."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[UpdateRequest | None] = queue.SimpleQueue()

    def put(self, order: UpdateRequest) -> None:
        """One more."""
        self._queue.put(order)

    def wake(self) -> None:
        """Whoever waits for an order goes on without one."""
        self._queue.put(None)

    def next(self, within_s: float | None) -> UpdateRequest | None:
        """The next order; None when there is none within the time (None: no limit), or on `wake`."""
        try:
            return self._queue.get(timeout=within_s)
        except queue.Empty:
            return None

    def refuse_all(self, error: Exception) -> None:
        """None of those that wait is carried out."""
        while True:
            try:
                order = self._queue.get_nowait()
            except queue.Empty:
                return
            if order:
                order.fail(error)
