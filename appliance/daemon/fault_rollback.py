"""Go back to the previous model when a model fails although its probation is over."""

import logging
import threading
from collections.abc import Callable

from appliance.bundle.key import bundle_key
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.update_host import UpdateHost
from appliance.errors import ApplianceError
from appliance.labeling.labeler import Labeler
from appliance.updates.steps import UpdateState, UpdateStep

log = logging.getLogger("appliance.daemon")


class FaultRollback:
    """Rolls a faulty model back on a separate thread, refuses it, and publishes that."""

    def __init__(self, active: ActiveModel, host: UpdateHost, notify_updater: Callable[[], None]):
        """Keep references to the parts.

        Args:
            active: The active model and the store.
            host: Swaps models, and publishes T/update.
            notify_updater: Tells the updater that the active model changed.
        """
        self._active = active
        self._host = host
        self._notify_updater = notify_updater

    def start(self, labeler: Labeler, reason: str) -> threading.Thread:
        """Roll back the model of this labeler in the background; does not block."""
        thread = threading.Thread(target=self._run, args=(labeler, reason), name="fault-rollback", daemon=True)
        thread.start()
        return thread

    def _run(self, labeler: Labeler, reason: str) -> None:
        identity = labeler.identity
        name = f"{identity.name} {identity.version}"
        try:
            if not self._may_leave(labeler, name, reason):
                return
            self._host.rollback(reason)
        except ApplianceError as error:
            log.error("the model %s fails (%s), and stays: %s", name, reason, error)
            return
        except Exception:
            log.exception("the model %s fails (%s), and could not be rolled back", name, reason)
            return
        if bundle_key(self._active.current.bundle) == bundle_key(labeler.bundle):
            log.error("the model %s fails (%s), and stays, because the previous one is the same", name, reason)
            return
        log.warning("the model %s was rolled back: %s", name, reason)
        self._host.report_step(UpdateStep(UpdateState.ROLLED_BACK, identity.version, identity.sha256, reason))
        self._notify_updater()

    def _may_leave(self, labeler: Labeler, name: str, reason: str) -> bool:
        if self._active.is_overridden:
            log.error("the model %s fails (%s), and stays, because labeler.model names it; correct it", name, reason)
            return False
        # Another command may have replaced the model; during a probation, the updater rolls it back.
        return self._active.current is labeler and not self._active.store.read_state().probation
