"""The history of events."""

import math
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from appliance.errors import RequestError
from appliance.history.history import History
from appliance.history.records import EventQuery
from appliance.web.routes.context import Context, WebContext
from appliance.web.routes.errors import RESPONSES

router = APIRouter(prefix="/api/events", tags=["events"], responses=RESPONSES)

_MAX_EVENTS = 200
_MAX_STRIP_S = 32 * 86_400
_NO_HISTORY = "no history is kept; set history.enabled = true"
_NOT_DELETED = "it is not deleted yet, because the disk is busy or cannot be written; try again in a minute"
_PRUNED = "there is no such event any more; the oldest ones are removed"
EventId = Annotated[str, Path(max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Time = Annotated[str | None, Query(max_length=40, description="RFC 3339, or Unix time in seconds.")]


class EventPage(BaseModel):
    """Events, newest first, and whether there are more."""

    events: list[dict[str, Any]]
    more: bool


class StripPart(BaseModel):
    """The number of events of a label that started in a quarter of an hour, counted from the start."""

    part: int
    label: str
    count: int


class WrongLabel(BaseModel):
    """The label under which the picture is filed for teaching."""

    label: str = Field(min_length=1, max_length=255)


class FiledPicture(BaseModel):
    """The label under which a picture was filed; a new one gets a valid name."""

    ok: bool = True
    label: str


@router.get("")
def list_events(
    context: Context,
    label: Annotated[str | None, Query(max_length=255)] = None,
    before: Annotated[str | None, Query(max_length=80, description="The id of an event, or a time.")] = None,
    since: Time = None,
    until: Time = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_EVENTS)] = 50,
) -> EventPage:
    """Return events, newest first; `before` is the id of the last event of the previous answer, or a time.

    If that event was removed in the meantime, `until` replaces it.
    """
    history = context.device.history
    if history is None:
        return EventPage(events=[], more=False)
    query = EventQuery(label, _parse_time(until, "until"), "", _parse_time(since, "since"), limit + 1)
    found = None if before is None else history.select_before(before, query)
    if found is None:
        found = history.select(_replace_removed(query, before))
    return EventPage(events=[event.as_dict() for event in found[:limit]], more=len(found) > limit)


@router.get("/strip")
def get_strip(
    context: Context,
    start: Annotated[str, Query(max_length=40)],
    end: Annotated[str, Query(max_length=40)],
) -> list[StripPart]:
    """Return the number of events for each quarter of an hour of a span of at most 32 days, by label."""
    start_s, end_s = _parse_time(start, "start") or 0.0, _parse_time(end, "end") or 0.0
    if not 0 < end_s - start_s <= _MAX_STRIP_S:
        raise RequestError(400, "end must be after start, by at most 32 days")
    history = context.device.history
    counts = history.count_quarter_hours(start_s, end_s) if history else []
    return [StripPart(part=part, label=label, count=count) for part, label, count in counts]


@router.get("/labels")
def list_labels(context: Context) -> list[str]:
    """Return the labels that have events."""
    history = context.device.history
    return history.list_labels() if history else []


@router.delete("/pictures", status_code=204)
def delete_pictures(context: Context) -> Response:
    """Delete all pictures of the history; the events remain."""
    if not context.device.delete_pictures():
        raise RequestError(503, _NOT_DELETED)
    return Response(status_code=204)


@router.get("/{event_id}.jpg", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
def get_picture(event_id: EventId, context: Context) -> Response:
    """Return the picture that started an event."""
    picture = _require_history(context).read_picture(event_id)
    if picture is None:
        raise RequestError(404, "there is no picture of this event")
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/{event_id}")
def get_event(event_id: EventId, context: Context) -> dict[str, Any]:
    """Return one event."""
    event = _require_history(context).find(event_id)
    if event is None:
        raise RequestError(404, _PRUNED)
    return event.as_dict()


@router.delete("/{event_id}", status_code=204)
def delete_event(event_id: EventId, context: Context) -> Response:
    """Delete one event with its picture."""
    if _require_history(context).find(event_id) is None:
        raise RequestError(404, _PRUNED)
    if not context.device.delete_event(event_id):
        raise RequestError(503, _NOT_DELETED)
    return Response(status_code=204)


@router.post("/{event_id}/wrong")
def mark_wrong(event_id: EventId, wrong: WrongLabel, context: Context) -> FiledPicture:
    """File the picture of an event for teaching under another label, of the model or new."""
    if _require_history(context).find(event_id) is None:
        raise RequestError(404, _PRUNED)
    return FiledPicture(label=context.device.mark_wrong(event_id, wrong.label))


def _replace_removed(query: EventQuery, before: str | None) -> EventQuery:
    """Return the query for events before a time, or before an event that was removed.

    Raises:
        RequestError: Neither a time nor `until` says where the removed event was.
    """
    if before is None:
        return query
    try:
        time_s = _parse_time(before, "before")
    except RequestError as error:
        if query.before_s is None:
            raise RequestError(404, f"{_PRUNED}; give before a time instead") from error
        return query
    return replace(query, before_s=time_s if query.before_s is None else min(query.before_s, time_s or 0.0))


def _require_history(context: WebContext) -> History:
    history = context.device.history
    if history is None:
        raise RequestError(404, _NO_HISTORY)
    return history


def _parse_time(text: str | None, name: str) -> float | None:
    """Return Unix time in seconds.

    Raises:
        RequestError: The text is no time.
    """
    if text is None:
        return None
    try:
        time_s = float(text)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(text)
            time_s = (parsed if parsed.tzinfo else parsed.astimezone()).timestamp()
        except (ValueError, OverflowError, OSError):
            time_s = math.nan
    if not math.isfinite(time_s) or abs(time_s) > 1e12:
        raise RequestError(400, f"{name} must be a time such as 2026-01-31T12:30:00Z, or Unix time in seconds")
    return time_s
