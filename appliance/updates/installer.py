"""Install an offer: run its candidate, and handle the outcome."""

import contextlib
from dataclasses import dataclass

from appliance.updates.candidate import (
    Candidate,
    CandidateContext,
    CandidateRejectedError,
    NotApplicableError,
    ShutdownError,
)
from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.probation_monitor import ProbationMonitor
from appliance.updates.resolution import Resolution
from appliance.updates.sources.source import Offer, Source
from appliance.updates.steps import UpdateState


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
        """
        candidate = Candidate(offer, requested, source, self.context)
        journal = self.context.journal
        try:
            model = candidate.run()
        except CandidateRejectedError as error:
            self.resolution.reject(candidate.entry(UpdateState.REFUSED, str(error)))
            self.context.clear_downloads()
            return f"{candidate.version} was refused: {error}"
        except NotApplicableError as error:
            self.known = candidate.known
            candidate.report(UpdateState.FAILED, str(error))
            journal.write(None)
            self.context.clear_downloads()
            return f"{candidate.version} cannot be installed: {error}"
        except ShutdownError:
            raise
        except Exception:
            # The next attempt starts over, but does not download complete files again.
            with contextlib.suppress(OSError):
                journal.write(candidate.entry(UpdateState.AVAILABLE))
            raise
        if model is None:
            candidate.report(UpdateState.COMMITTED, "the same model is already installed")
            journal.write(None)
        else:
            self.monitor.begin(model)
        return None
