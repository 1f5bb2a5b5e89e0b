"""What the way of a candidate showed that its offer did not say: for as long as the program runs, so that it is not fetched
again at each check only to find the same.
"""

from dataclasses import dataclass

from appliance.errors import ApplianceError, LabelOptionError
from appliance.updates.host import Host
from appliance.updates.sources.source import Offer
from appliance.updates.store.store import Store


@dataclass(frozen=True, slots=True)
class KnownCandidate:
    """What is known of a candidate that was not taken, though it is not at fault.

    Attributes:
        hash: It was offered under this.
        version, name: What its bundle says.
        unsuited: It is in the store, where it waits for settings that it suits.
    """

    hash: str
    version: str | None
    name: str | None
    unsuited: bool

    def why_unsuited(self, offer: Offer, store: Store, device: Host) -> str | None:
        """Why it still does not suit the settings of this device; None where it does, or must be looked at anew."""
        waiting = store.state().waiting
        if not self.unsuited or waiting is None or waiting.offer != offer.hash:
            return None
        try:
            device.warm(store.bundle(waiting))
        except LabelOptionError as error:
            return str(error).rstrip(".")
        except ApplianceError:
            return None  # its way says what is wrong
        return None
