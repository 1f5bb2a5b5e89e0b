"""Describe the input of each loaded model, and warn once of an input range that nothing states."""

import logging
from collections import OrderedDict

from appliance.bundle.key import bundle_key
from appliance.labeling.input_check import describe_assumption, find_input_doubt
from appliance.labeling.labeler import Labeler

log = logging.getLogger("appliance.labeling")

# More models than one device loads between two restarts of the daemon.
_MAX_MODELS = 32


class InputNotices:
    """What is known about the inputs of the models that were loaded. May be used from any thread."""

    def __init__(self) -> None:
        """Know no model yet."""
        self._doubts: OrderedDict[str, str | None] = OrderedDict()

    def note(self, labeler: Labeler) -> None:
        """Test a new model whose range is assumed, and log a warning about it.

        Raises:
            BundleError: The model cannot be run.
        """
        key = bundle_key(labeler.bundle)
        if not labeler.bundle.input.is_assumed or key in self._doubts:
            return
        doubt = find_input_doubt(labeler)
        self._doubts[key] = doubt
        while len(self._doubts) > _MAX_MODELS:
            self._doubts.popitem(last=False)
        text = describe_assumption(labeler.identity.name)
        log.warning("%s", f"{text}; {doubt}" if doubt else text)

    def describe(self, labeler: Labeler) -> str:
        """Describe the input of a model: its range, what states it, and why it is doubtful, if it is."""
        text = f"input {labeler.bundle.input.describe()}"
        doubt = self._doubts.get(bundle_key(labeler.bundle)) if labeler.bundle.input.is_assumed else None
        return f"{text}: {doubt}; see: appliance help models" if doubt else text
