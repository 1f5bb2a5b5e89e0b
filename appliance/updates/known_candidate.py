"""What a candidate's bundle showed beyond its offer, kept until the program stops so that it is not fetched again."""

from dataclasses import dataclass

from appliance.errors import ApplianceError, LabelOptionError
from appliance.updates.host import Host
from appliance.updates.store.store import Store


@dataclass(frozen=True, slots=True)
class KnownCandidate:
    """A candidate that was not installed although it is not faulty.

    Attributes:
        hash: The hash of its offer.
        version: The version in its bundle, None without one.
        name: The name in its bundle.
        unsuited_reason: Why it does not suit the settings of this device; it is staged in the store. None if it does,
            or if its next attempt shows it.
    """

    hash: str
    version: str | None
    name: str | None
    unsuited_reason: str | None = None


def find_unsuited_reason(known: KnownCandidate, store: Store, host: Host) -> str | None:
    """Preload a staged candidate; return why it does not suit the settings yet, None if it is to be tried again."""
    staged = store.read_state().staged
    if known.unsuited_reason is None or staged is None or staged.offer != known.hash:
        return None
    try:
        host.preload(store.load_bundle(staged))
    except LabelOptionError as error:
        return str(error)
    except ApplianceError:
        return None  # the next attempt reports it
    return None
