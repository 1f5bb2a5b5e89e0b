"""Requests from the owner, passed from other threads to the updater's thread."""

import queue
from concurrent.futures import Future
from typing import Any

from appliance.errors import UpdateError
from appliance.updates.policy import Decision, OfferAction
from appliance.updates.sources.source import Offer, display_version


class UpdateRequest:
    """One request, and its answer.

    Attributes:
        version: The version to install, or `latest`; None to only check what is offered.
        future: Receives the answer.
        taken_back: The version that was on probation and was taken back during the request; None if there was none.
    """

    def __init__(self, version: str | None):
        """Create a request that has not been answered."""
        self.version = version
        self.taken_back: str | None = None
        self.future: Future[dict[str, Any]] = Future()

    def answer(self, decision: Decision, offer: Offer | None, refusal: str | None = None) -> None:
        """Answer with the decision; only the first answer counts.

        The answer has the offered version, whether it is being installed or was installed, whether it was already
        active, and why it is not installed; also the version that was taken back, and whether the offer waits for
        update.window, if so.

        Args:
            decision: The decision about the offer.
            offer: The offer; None if nothing is offered.
            refusal: Why the installation ended without a new active model; None if it succeeded or is in progress.

        Raises:
            UpdateError: The request is to install a model, but the decision is not to; nothing was answered.
        """
        offered = display_version(offer) if offer else None
        is_taken = decision.action is OfferAction.TAKE
        if self.version and not is_taken:
            raise UpdateError(decision.reason or f"{offered} is already installed")
        if refusal:
            self.fail(UpdateError(refusal))
        elif not self.future.done():
            self.future.set_result(
                {
                    "offered": offered,
                    "taken": is_taken,
                    "current": decision.action is OfferAction.RUNS,
                    "reason": decision.reason,
                    **({"taken_back": self.taken_back} if self.taken_back else {}),
                    **({"waiting": True} if decision.action is OfferAction.HOLD else {}),
                }
            )

    def fail(self, error: Exception) -> None:
        """Answer with an error; only the first answer counts."""
        if not self.future.done():
            self.future.set_exception(error)


class RequestQueue:
    """Requests in the order of their arrival."""

    def __init__(self) -> None:
        """Create an empty queue."""
        self._queue: queue.SimpleQueue[UpdateRequest | None] = queue.SimpleQueue()

    def put(self, request: UpdateRequest) -> None:
        """Add a request."""
        self._queue.put(request)

    def wake(self) -> None:
        """End the wait in `next` without a request."""
        self._queue.put(None)

    def next(self, within_s: float | None) -> UpdateRequest | None:
        """Wait for the next request and return it.

        Args:
            within_s: The maximum wait in seconds; None for no limit.

        Returns:
            The request; None if none arrives in time, or after `wake`.
        """
        try:
            return self._queue.get(timeout=within_s)
        except queue.Empty:
            return None

    def fail_all(self, error: Exception) -> None:
        """Answer every queued request with an error."""
        while True:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                return
            if request:
                request.fail(error)
