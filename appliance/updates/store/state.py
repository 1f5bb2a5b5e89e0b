"""What the store remembers: which model is installed, which was before, what is on probation and what is refused.

Values only, and their form as JSON. They never change in place: a transition makes a new `StoreState`, and the store
writes it whole. What a newer program wrote and this one does not know is left out; what is missing or of a wrong type
makes the whole file unreadable, since half a memory is worse than none.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from appliance.bundle.bundle import Bundle

FORMAT = 1

Loaded = TypeVar("Loaded")


class StateFileError(ValueError):
    """The state file's content is not what it should be; the store sets it aside."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A delivered bundle that is on disk, and where it came from.

    Attributes:
        key: The bundle's key, which is the name of its folder (see shelf.bundle_key).
        name: The bundle's name.
        version: Its version as written, or `sha256:` and 12 hex digits.
        sha256: Of the .tflite file.
        origin: Where it came from, for people: a path, a URL, a channel.
        delivered: When, RFC 3339.
        offer: The hash under which its source offered it, None where nobody did: what a refusal goes by.
        variant, experiment: The branch of a rollout and the A/B experiment it came with.
        over_bundled: The key of the bundled model that was passed over for it on purpose: that one does not replace it.
    """

    key: str
    name: str
    version: str
    sha256: str
    origin: str
    delivered: str
    offer: str | None = None
    variant: str | None = None
    experiment: str | None = None
    over_bundled: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A bundle that is not taken again. `hash` is its key or the hash it was offered under."""

    hash: str
    version: str
    reason: str
    time: str


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the daemon that has not come to an orderly end. `ready`: it got as far as labeling."""

    boot: str
    ready: bool = False


@dataclass(frozen=True, slots=True)
class StoreState:
    """All that the store remembers.

    Attributes:
        current: The delivered model; None: the bundled one.
        previous: What `current` replaced, None: the bundled one.
        earlier: What `previous` replaced, as long as `current` is on probation: should it fail, all is as it was before.
        waiting: A bundle that is on disk and does not run yet.
        probation: Whether `current` still has to prove itself.
        deaths: Starts in a row that the process did not survive while `current` was on probation, or before it was ready.
        start: The start that is under way; found at the next one, it says that the process died.
        refused: What is not taken again, the newest last.
    """

    current: InstalledModel | None = None
    previous: InstalledModel | None = None
    earlier: InstalledModel | None = None
    waiting: InstalledModel | None = None
    probation: bool = False
    deaths: int = 0
    start: Start | None = None
    refused: tuple[Rejection, ...] = ()

    @property
    def slots(self) -> tuple[InstalledModel, ...]:
        """Every bundle that must stay on disk."""
        return tuple(slot for slot in (self.current, self.previous, self.earlier, self.waiting) if slot)


@dataclass(frozen=True, slots=True)
class ModelChoice(Generic[Loaded]):
    """The model that runs.

    Attributes:
        loaded: What the caller's `load` made of it.
        bundle: The bundle; its identity carries the slot's variant and experiment.
        slot: Where it stands in the store; None: it is the bundled one.
        reasons: Why it is not simply the delivered one, a sentence each, to be reported.
        faulty: Delivered bundles that are whole and were refused by `load`, with the reason.
    """

    loaded: Loaded
    bundle: Bundle
    slot: InstalledModel | None
    reasons: tuple[str, ...] = ()
    faulty: tuple[tuple[InstalledModel, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of the store, for people. `roles`: current, probation, previous, earlier, waiting, bundled."""

    roles: tuple[str, ...]
    name: str
    version: str
    sha256: str
    origin: str
    delivered: str | None


def pack(state: StoreState) -> bytes:
    """The state as JSON, for the state file."""
    return json.dumps({"format": FORMAT, **dataclasses.asdict(state)}, indent=1, ensure_ascii=False).encode() + b"\n"


def unpack(content: bytes) -> StoreState:
    """Reads what `pack` wrote.

    Raises:
        StateFileError: It is not that.
    """
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StateFileError(f"it is not JSON ({error})") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise StateFileError("it is of another kind")
    refused = values.get("refused", [])
    if not isinstance(refused, list):
        raise StateFileError("refused is not a list")
    return StoreState(
        current=_optional(InstalledModel, values, "current"),
        previous=_optional(InstalledModel, values, "previous"),
        earlier=_optional(InstalledModel, values, "earlier"),
        waiting=_optional(InstalledModel, values, "waiting"),
        probation=_value(values, "probation", bool),
        deaths=_value(values, "deaths", int),
        start=_optional(Start, values, "start"),
        refused=tuple(_made(Rejection, entry) for entry in refused),
    )


def _optional(kind: type, values: dict[str, Any], key: str) -> Any:
    return None if values.get(key) is None else _made(kind, values[key])


def _made(kind: type, values: Any) -> Any:
    """A dataclass whose fields are texts or truth values."""
    if not isinstance(values, dict):
        raise StateFileError(f"a {kind.__name__.lower()} is not an object")
    found = {}
    for field in dataclasses.fields(kind):
        wanted = (str, type(None)) if field.default is None else bool if field.type is bool else str
        if field.name in values or field.default is dataclasses.MISSING:
            found[field.name] = _value(values, field.name, wanted)
    made = kind(**found)
    # A key becomes the name of a folder: nothing but a hash may.
    if isinstance(made, InstalledModel) and not (len(made.key) == 64 and set(made.key) <= set("0123456789abcdef")):
        raise StateFileError("a key is not a hash")
    return made


def _value(values: dict[str, Any], key: str, wanted: type | tuple[type, ...]) -> Any:
    value = values.get(key)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise StateFileError(f"{key} is missing or of a wrong type")
    return value
