"""Find the topics of the manual: the Markdown files in appliance/docs, each with a title and a summary below it."""

import re
from pathlib import Path

TOPICS = (
    "getting-started",
    "raspberry-pi",
    "commands",
    "cameras",
    "page",
    "teach",
    "http-api",
    "mqtt",
    "home-assistant",
    "broker",
    "models",
    "collect",
    "datasets",
    "train",
    "evaluate",
    "none-of-the-above",
    "publish",
    "update-sources",
    "firebase",
    "remote-config",
    "automl-migration",
    "settings",
    "troubleshooting",
    "security",
    "small-devices",
    "performance",
    "glossary",
    "contributing",
    "changelog",
)
"""Every topic of the manual, in reading order; an installed program does not include the changelog."""

DOCS = Path(__file__).resolve().parents[1] / "docs"

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


def installed_topics() -> list[str]:
    """Return the topics whose files are installed, in reading order."""
    return [topic for topic in TOPICS if (DOCS / f"{topic}.md").is_file()]


def read_topic_text(topic: str) -> str | None:
    """Return the Markdown text of a topic; None if there is no such topic."""
    return (DOCS / f"{topic}.md").read_text(encoding="utf-8") if topic in installed_topics() else None


def summarize_topics() -> list[tuple[str, str, str]]:
    """Return the name, the title and the summary of every installed topic."""
    found = []
    for topic in installed_topics():
        title, _, text = (DOCS / f"{topic}.md").read_text(encoding="utf-8").partition("\n")
        found.append((topic, title.lstrip("# ").strip(), text.strip().partition("\n")[0]))
    return found


def without_comments(markdown: str) -> str:
    """Return Markdown without its comments, which are for tests."""
    return _COMMENT.sub("", markdown)
