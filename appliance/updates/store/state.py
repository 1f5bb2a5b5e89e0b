"""The store's state as values and as JSON: the installed models, the probation, and the rejections.

Values never change in place: a transition returns a new `StoreState`, and the store writes it as a whole. Unknown keys,
written by a newer release, are ignored. A missing key or a value of the wrong type makes the whole file invalid,
because a partial state is worse than none.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from appliance.bundle.bundle import Bundle
from appliance.system.json_text import parse_json

FORMAT = 1
# The bundled model of releases up to 0.1.0, whose state files do not name it.
FIRST_BUNDLED = "flowers"
TRAINED_HERE = "trained on this device"
"""The origin of a model that was trained here; it has the name of its base, but no bundled model replaces it."""

Loaded = TypeVar("Loaded")

_KEY = re.compile(r"[0-9a-f]{64}")
_BUNDLED = re.compile(rb'"bundled": *"([a-z_]{1,32})"')


class StateFileError(ValueError):
    """The content of the state file is invalid; the store sets the file aside."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A delivered bundle on disk, and its origin.

    Attributes:
        key: The bundle's key, which is the name of its folder (bundle.key.bundle_key).
        name: The bundle's name.
        version: The version as written, or `sha256:` and 12 hex digits.
        sha256: SHA-256 of the .tflite file, in hex.
        origin: The origin for people: a path, a URL or a channel.
        delivered: When the bundle was delivered, RFC 3339.
        offer: The hash under which a source offered the bundle, to which rejections refer; None if no source did.
        variant: The arm of a comparison of models to which it belongs; None without one.
        experiment: The A/B experiment to which it belongs; None without one.
        bundled_override_key: The key of the bundled model that this bundle replaced on purpose, and that must not
            replace it at a start.
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
    bundled_override_key: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A bundle that must not be installed again. `hash` is its key, or the hash under which it was offered."""

    hash: str
    version: str
    reason: str
    time: str


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the daemon with no orderly stop yet. `ready`: whether the daemon got as far as labeling."""

    boot: str
    ready: bool = False


@dataclass(frozen=True, slots=True)
class StoreState:
    """The whole state of the store.

    Attributes:
        current: The active delivered model; None for the bundled one.
        previous: The model that `current` replaced; None for the bundled one.
        before_previous: The model that `previous` replaced, kept while `current` is on probation, so that a rollback
            restores everything.
        staged: A bundle that is on disk but not active yet.
        probation: Whether `current` is on probation.
        failed_starts: Consecutive starts that the process did not survive while `current` was on probation, or before
            it was ready.
        start: The current start; if the next start finds it, the process died.
        rejections: The bundles that must not be installed again, newest last.
        bundled: The name of the bundled model that None stands for above; None, which no file has, for the default one.
        draws: Whether the camera of the last start was drawn scenes; then None stands for the model that knows them.
    """

    current: InstalledModel | None = None
    previous: InstalledModel | None = None
    before_previous: InstalledModel | None = None
    staged: InstalledModel | None = None
    probation: bool = False
    failed_starts: int = 0
    start: Start | None = None
    rejections: tuple[Rejection, ...] = ()
    bundled: str | None = None
    draws: bool = False

    @property
    def models(self) -> tuple[InstalledModel, ...]:
        """Every model whose files must stay on disk."""
        return tuple(model for model in (self.current, self.previous, self.before_previous, self.staged) if model)


@dataclass(frozen=True, slots=True)
class ModelChoice(Generic[Loaded]):
    """The model to activate at a start.

    Attributes:
        loaded: The result of the caller's `load`.
        bundle: The bundle; its identity has the variant and experiment of the installed model.
        installed: The model's entry in the store; None for the bundled model.
        reasons: Why the choice is not simply the delivered model, one sentence each, for the report.
        faulty: Delivered bundles whose files are undamaged but that `load` rejected, with the reason.
    """

    loaded: Loaded
    bundle: Bundle
    installed: InstalledModel | None
    reasons: tuple[str, ...] = ()
    faulty: tuple[tuple[InstalledModel, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RevertedModel:
    """A delivered model that a start of the program could not keep."""

    model: InstalledModel
    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of the store, for people. `roles`: current, probation, previous, earlier, waiting, bundled."""

    roles: tuple[str, ...]
    name: str
    version: str
    sha256: str
    origin: str
    delivered: str | None


# The file's format: the keys stay the same even if a field is renamed.
_MODEL_KEYS = {
    "key": "key",
    "name": "name",
    "version": "version",
    "sha256": "sha256",
    "origin": "origin",
    "delivered": "delivered",
    "offer": "offer",
    "variant": "variant",
    "experiment": "experiment",
    "bundled_override_key": "over_bundled",
}
_REJECTION_KEYS = {"hash": "hash", "version": "version", "reason": "reason", "time": "time"}
_START_KEYS = {"boot": "boot", "ready": "ready"}


def encode_state(state: StoreState) -> bytes:
    """Encode the state as JSON for the state file."""
    values = {
        "format": FORMAT,
        "bundled": state.bundled,  # first, so that a file that was cut off has it
        "draws": state.draws,
        "current": _encode(state.current, _MODEL_KEYS),
        "previous": _encode(state.previous, _MODEL_KEYS),
        "earlier": _encode(state.before_previous, _MODEL_KEYS),
        "waiting": _encode(state.staged, _MODEL_KEYS),
        "probation": state.probation,
        "deaths": state.failed_starts,
        "start": _encode(state.start, _START_KEYS),
        "refused": [_encode(rejection, _REJECTION_KEYS) for rejection in state.rejections],
    }
    return json.dumps(values, indent=1, ensure_ascii=False).encode() + b"\n"


def decode_state(content: bytes) -> StoreState:
    """Decode the content of a state file.

    Raises:
        StateFileError: The content is invalid.
    """
    try:
        values = parse_json(content)
    except ValueError as error:
        raise StateFileError(f"it is not JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise StateFileError("its format is unknown")
    rejections = values.get("refused", [])
    if not isinstance(rejections, list):
        raise StateFileError("refused is not a list")
    return StoreState(
        current=_decode_model(values, "current"),
        previous=_decode_model(values, "previous"),
        before_previous=_decode_model(values, "earlier"),
        staged=_decode_model(values, "waiting"),
        probation=_check_value(values, "probation", bool),
        failed_starts=_check_value(values, "deaths", int),
        start=None if values.get("start") is None else Start(**_decode(Start, values["start"], _START_KEYS)),
        rejections=tuple(Rejection(**_decode(Rejection, entry, _REJECTION_KEYS)) for entry in rejections),
        # A file without the name is from a release in which this model was the default.
        bundled=FIRST_BUNDLED if values.get("bundled") is None else _check_value(values, "bundled", str),
        draws=_check_value({"draws": False} | values, "draws", bool),
    )


def guess_bundled(content: bytes) -> str | None:
    """Return the name of the bundled model that a damaged state file means; None if that cannot be recognized."""
    if named := _BUNDLED.search(content):
        return named[1].decode()
    return FIRST_BUNDLED if b'"format"' in content else None


def _encode(value: InstalledModel | Rejection | Start | None, keys: Mapping[str, str]) -> dict[str, Any] | None:
    return None if value is None else {key: getattr(value, field) for field, key in keys.items()}


def _decode_model(values: Mapping[str, Any], key: str) -> InstalledModel | None:
    if values.get(key) is None:
        return None
    model = InstalledModel(**_decode(InstalledModel, values[key], _MODEL_KEYS))
    if not _KEY.fullmatch(model.key):  # the key is used as the name of a folder
        raise StateFileError("a key is not a hash")
    return model


def _decode(
    kind: type[InstalledModel] | type[Rejection] | type[Start], values: Any, keys: Mapping[str, str]
) -> dict[str, Any]:
    """Return the fields of a dataclass whose values are strings, optional strings and booleans."""
    if not isinstance(values, dict):
        raise StateFileError(f"a {kind.__name__} is not an object")
    fields = {}
    for field in dataclasses.fields(kind):
        key = keys[field.name]
        expected = (str, type(None)) if field.default is None else bool if field.type is bool else str
        if key in values or field.default is dataclasses.MISSING:
            fields[field.name] = _check_value(values, key, expected)
    return fields


def _check_value(values: Mapping[str, Any], key: str, expected: type | tuple[type, ...]) -> Any:
    value = values.get(key)
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise StateFileError(f"{key} is missing or has the wrong type")
    return value
