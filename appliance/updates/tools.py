"""What tests of the updater replace."""

import random as random_numbers
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from appliance.labeling.probe import probe
from appliance.updates.candidate import Probe


@dataclass(frozen=True, slots=True)
class UpdaterTools:
    """What tests replace.

    Attributes:
        probe: Runs a bundle in a separate process.
        clock: Returns monotonic time in seconds, so that a wrong wall clock cannot delay updates.
        random: Returns a number from 0 to 1, which spreads the checks of many devices.
        local_time: Returns the local time, for update.window.
    """

    probe: Probe = probe
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random_numbers.random
    local_time: Callable[[], datetime] = lambda: datetime.now().astimezone()
