"""Remember what a candidate's bundle revealed, so that it is not downloaded again until the program stops."""

from dataclasses import dataclass

from appliance.errors import ApplianceError, LabelOptionError
from appliance.updates.host import Host
from appliance.updates.store.store import Store


@dataclass(frozen=True, slots=True)
class KnownCandidate:
    """A candidate that was not installed although it is not faulty.

    Attributes:
        hash: The hash of the offer.
        version: The version in the bundle; None if it has none.
        name: The name in the bundle.
        unsuited_reason: Why the candidate, which is staged in the store, does not fit the settings of this device; None
            if it does, or if the next attempt is to find out.
        same_key: The key of the bundle, if it is the active model although the offer's hash does not identify it; None
            otherwise.
        is_tested: Whether the candidate, which is staged in the store, passed its test and waits for update.window.
    """

    hash: str
    version: str | None
    name: str | None
    unsuited_reason: str | None = None
    same_key: str | None = None
    is_tested: bool = False


def find_unsuited_reason(known: KnownCandidate, store: Store, host: Host) -> str | None:
    """Preload a staged candidate; return why it does not fit the settings yet, or None to try it again."""
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
