"""The errors of the API, for its description."""

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
