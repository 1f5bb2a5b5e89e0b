"""The device: check, statistics, log, settings, and the manual."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from appliance.errors import RequestError
from appliance.system.log_ring import MAX_LINES
from appliance.system.manual import read_topic_text, summarize_topics, without_comments
from appliance.web.markdown import render_markdown
from appliance.web.routes.context import Context
from appliance.web.routes.errors import RESPONSES

router = APIRouter(prefix="/api", tags=["device"], responses=RESPONSES)


class Topic(BaseModel):
    """A topic of the manual."""

    topic: str
    title: str
    summary: str


class TopicText(BaseModel):
    """The text of a topic."""

    title: str
    html: str


@router.get("/device/check")
def check(context: Context) -> list[dict[str, Any]]:
    """Return the lines of `appliance check`: {"part", "ok", "says"}; takes seconds."""
    return context.device.check()


@router.get("/device/stats")
def get_stats(context: Context) -> list[dict[str, Any]]:
    """Return the statistics of the last 24 hours, one point a minute, oldest first."""
    return context.device.stats()


@router.get("/device/log")
def get_log(context: Context, limit: Annotated[int, Query(ge=1, le=MAX_LINES)] = MAX_LINES) -> list[dict[str, Any]]:
    """Return the last lines of the log, oldest first."""
    return context.device.log_lines()[-limit:]


@router.get("/device/settings")
def get_settings(context: Context) -> list[dict[str, Any]]:
    """Return the settings in force; they are changed in the settings file."""
    return context.device.describe_settings()


@router.get("/help")
def list_topics() -> list[Topic]:
    """Return the topics of the manual."""
    return [Topic(topic=topic, title=title, summary=summary) for topic, title, summary in summarize_topics()]


@router.get("/help/{topic}")
def get_topic(topic: Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9-]+$")]) -> TopicText:
    """Return a topic of the manual as HTML."""
    text = read_topic_text(topic)
    if text is None:
        raise RequestError(404, "the manual has no such topic")
    title = text.partition("\n")[0].lstrip("# ").strip()
    return TopicText(title=title, html=render_markdown(without_comments(text)))
