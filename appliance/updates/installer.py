"""Install an offer: run its candidate, and handle the outcome."""

import contextlib
import logging
from dataclasses import dataclass

from appliance.updates.candidate import (
    Candidate,
    CandidateContext,
    CandidateRejectedError,
    NotApplicableError,
    ShutdownError,
    WindowClosedError,
    link_offer,
)
from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.probation_monitor import ProbationMonitor
from appliance.updates.reasons import make_reason
from appliance.updates.resolution import Resolution
from appliance.updates.sources.source import Offer, Source
from appliance.updates.steps import UpdateState
from appliance.updates.store.state import InstalledModel

log = logging.getLogger("appliance.updates")


@dataclass(slots=True)
class Installer:
    """Installs offers, one at a time, on the updater's thread.

    Attributes:
        context: What every candidate needs.
        resolution: Applies rejections.
        monitor: Monitors the new active model.
        known: What the last candidate that was not applicable revealed.
    """

    context: CandidateContext
    resolution: Resolution
    monitor: ProbationMonitor
    known: KnownCandidate | None = None

    def relink(self, offer: Offer, model: InstalledModel) -> None:
        """Record the active model's new variant and experiment, unless another command has replaced the model."""
        self.context.host.reload_current(lambda: link_offer(self.context.store, offer, model))
        log.info("the active model is now variant %s, experiment %s", offer.variant, offer.experiment)

    def install(self, offer: Offer, requested: bool, source: Source) -> str | None:
        """Install an offer up to the beginning of its probation.

        Args:
            offer: The offer.
            requested: Whether the owner asked for the offer.
            source: The source of the offer.

        Returns:
            Why the offer is not installed, as a sentence; None if it is installed now or was before.

        Raises:
            SourceError, ProbeError, StoreError, ModelError, OSError: The installation failed and may be retried.
            ShutdownError: The program is stopping.
            WindowClosedError: The model is stored and tested, and waits for update.window.
        """
        candidate = Candidate(offer, requested, source, self.context)
        journal = self.context.journal
        try:
            model = candidate.run()
        except CandidateRejectedError as error:
            reason = make_reason(str(error))
            self.resolution.reject(candidate.entry(UpdateState.REFUSED, reason))
            self.context.clear_downloads()
            return f"{candidate.version} was refused: {reason}"
        except NotApplicableError as error:
            self.known = candidate.known
            candidate.report(UpdateState.FAILED, make_reason(str(error)))
            candidate.note_failure()
            journal.write(None)
            self.context.clear_downloads()
            return f"{candidate.version} cannot be installed: {error}"
        except WindowClosedError:
            self.known = candidate.known
            journal.write(candidate.entry(UpdateState.WAITING))
            raise
        except ShutdownError:
            raise
        except Exception:
            # The next attempt starts over, but does not download complete files again.
            candidate.note_failure()
            with contextlib.suppress(OSError):
                journal.write(candidate.entry(UpdateState.AVAILABLE))
            raise
        self.context.reported.clear()
        if model is None:
            self.known = candidate.known
            if self.monitor.is_active:
                self.monitor.note_unchanged()
                return None
            candidate.report(UpdateState.COMMITTED, "the same model is already installed")
            journal.write(None)
        else:
            self.monitor.begin(model)
        return None
