"""The errors of the API: their description, and the sentence of a request that is not valid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

_MEANINGS = {
    400: "The request is not valid.",
    401: "No valid session or token came with the request.",
    403: "Not allowed: the scope, or the origin of the request.",
    404: "There is no such thing.",
    405: "Not possible here.",
    409: "Not possible now.",
    411: "The length is missing.",
    413: "Too large.",
    421: "The name in the address is not this device's.",
    422: "The request or the file is not valid.",
    429: "Too many failed sign-ins.",
    502: "The update source failed.",
    503: "Not available now.",
    507: "The disk is full.",
}


class ErrorAnswer(BaseModel):
    """One sentence."""

    error: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": meaning} for status, meaning in _MEANINGS.items()
}

_WANTED: dict[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "string_type": "a text in quotes",
}
_BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}
_OBJECTS = ("dict_type", "model_attributes_type", "model_type")


def describe_invalid(faults: Sequence[Mapping[str, Any]]) -> str:
    """Return the first fault of a request in one sentence.

    Args:
        faults: What pydantic reports: `type`, `loc`, `msg`, and `ctx`.
    """
    if not faults:
        return "the request is not valid"
    fault = faults[0]
    kind, context = str(fault.get("type")), fault.get("ctx") or {}
    if kind == "json_invalid":
        # FastAPI gives the place; the sentence of Pydantic contains it.
        place = fault.get("loc", ("",))[-1]
        where = f" at character {place}" if isinstance(place, int) else ""
        return f"the request is not valid: the body is not JSON ({context.get('error')}{where})"
    # A choice between types adds their names, which begin with an upper-case letter; no key does.
    parts = [str(part) for part in fault.get("loc", ())[1:] if part != "str" and not str(part)[:1].isupper()]
    place = ".".join(parts) or "the body"
    return f"the request is not valid: {_describe_fault(kind, context, place) or _describe_other(fault, place)}"


def _describe_fault(kind: str, context: Mapping[str, Any], place: str) -> str | None:
    """Return what is wrong at a place; None for a kind that no parameter here can have."""
    if kind == "missing":
        return "it needs a body" if place == "the body" else f"{place} is missing"
    if kind in _WANTED:
        return f"{place} must be {_WANTED[kind]}"
    if kind in _OBJECTS:
        return f"{place} must be a JSON object, such as {{…}}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{place} must be {words} {context[key]:g}"
    if kind in ("literal_error", "enum"):
        return f"{place} must be {context['expected']}"
    describe = _LENGTHS.get(kind)
    return f"{place} must have {describe(context)}" if describe else None


_LENGTHS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "too_short": lambda context: f"at least {context['min_length']} entries, not {context['actual_length']}",
    "too_long": lambda context: f"at most {context['max_length']} entries, not {context['actual_length']}",
    "string_too_short": lambda context: f"at least {context['min_length']} characters",
    "string_too_long": lambda context: f"at most {context['max_length']} characters",
}


def _describe_other(fault: Mapping[str, Any], place: str) -> str:
    message = str(fault.get("msg", "is not valid"))
    return f"{place}: {message[:1].lower()}{message[1:]}"
