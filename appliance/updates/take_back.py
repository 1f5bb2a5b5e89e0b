"""Take the model on probation back when its source no longer offers it; it is not refused."""

from dataclasses import dataclass

from appliance.errors import SourceGoneError
from appliance.updates.probation_monitor import ProbationMonitor
from appliance.updates.reporter import UpdateReporter
from appliance.updates.sources.source import Offer, Source
from appliance.updates.store.store import Store
from appliance.updates.withdrawal import find_withdrawal


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Takes models back, on the updater's thread.

    Attributes:
        store: The models of this device.
        monitor: Monitors the model on probation.
        reporter: Reports offers, which are reported again when they return.
    """

    store: Store
    monitor: ProbationMonitor
    reporter: UpdateReporter

    def check(self, source: Source, requested: bool) -> Offer | None:
        """Check the source, as Source.check does; if what it offered was removed, roll back the model on probation."""
        try:
            return source.check(requested=requested)
        except SourceGoneError as error:
            current = self.store.read_state().current
            if current is None or not self.run("the source no longer offers it"):
                raise
            raise SourceGoneError(f"{error}; {current.version} was taken back") from error

    def run_if_withdrawn(self, source: Source, offer: Offer | None) -> str | None:
        """Roll back the model on probation if the source no longer offers it; return its version if it was."""
        current = self.store.read_state().current if self.monitor.is_active else None
        if current is None:
            return None
        is_gone = offer is None and current.offer is not None and source.has_withdrawn(current.offer)
        reason = find_withdrawal(offer, current, is_gone)
        return current.version if reason and self.run(reason) else None

    def run(self, reason: str) -> bool:
        """Roll back the model on probation without refusing it; return whether there was one from a source."""
        current = self.store.read_state().current
        if current is None or current.offer is None or not self.monitor.take_back(reason):
            return False
        self.reporter.forget_announcement()
        return True
