"""Read the manual: list its topics, show one, or search all of them.

The manual consists of the Markdown files in appliance/docs, one per topic: a title, a sentence that summarizes the
topic, then the text. Reading it requires no network.
"""

import argparse
import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_lines, print_message
from appliance.errors import UsageError
from appliance.system.manual import installed_topics, read_topic_text

EXAMPLE = "examples: appliance help\n          appliance help mqtt\n          appliance help --search threshold"

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_TOPIC_LINK = re.compile(r"\[([^\]]+)\]\(([a-z-]+)\.md(?:#[^)]*)?\)")
_WEB_LINK = re.compile(r"\[([^\]]+)\]\((https?:[^)]+)\)")
_HEADING = re.compile(r"#+ (.*)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `appliance help`."""
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help="the topic to show (default: list the topics)")
    parser.add_argument("--search", metavar="WORD", help="list the lines that contain WORD, with topic and heading")


def run(arguments: argparse.Namespace) -> int:
    """List the topics, show one, or search them.

    Returns:
        0, or 1 if the search finds nothing.

    Raises:
        UsageError: The topic does not exist, or a topic and --search are given together.
    """
    if arguments.search is not None:
        if arguments.topic:
            raise UsageError("--search searches every topic; leave out TOPIC")
        return _print_matches(arguments.search)
    if arguments.topic is None:
        _show(_list_topics())
    else:
        _show(_render(read_topic(arguments.topic)))
    return ExitStatus.DONE


def read_topic(topic: str) -> str:
    """Return the Markdown text of one topic.

    Raises:
        UsageError: There is no such topic; the message suggests similar ones.
    """
    topics = installed_topics()
    if (text := read_topic_text(topic)) is not None:
        return text
    from appliance.cli import COMMANDS

    if topic in COMMANDS:
        raise UsageError(f"{topic} is a command, not a topic; run: appliance {topic} --help")
    near = difflib.get_close_matches(topic.lower(), topics, n=3, cutoff=0.5)
    remedy = f"did you mean {' or '.join(near)}?" if near else "appliance help lists the topics"
    raise UsageError(f"the manual has no topic {topic!r}; {remedy}")


def summary(topic: str) -> str:
    """Return the sentence below the title of a topic."""
    _, _, text = read_topic(topic).partition("\n")
    return _render(text.strip().splitlines()[0])


def _list_topics() -> str:
    topics = installed_topics()
    width = max(map(len, topics))
    lines = [f"  {topic:<{width}}  {summary(topic)}" for topic in topics]
    return "\n".join(["Topics, in reading order (appliance help TOPIC):", "", *lines, ""])


def _print_matches(word: str) -> int:
    """Print the lines that contain `word`, ignoring case; return the exit status."""
    lines = [line for topic in installed_topics() for line in _find_lines(topic, word)]
    if not lines:
        print_message(f"no line of the manual contains {word!r}; appliance help lists the topics")
        return ExitStatus.FAILED
    print_lines(lines)
    return ExitStatus.DONE


def _find_lines(topic: str, word: str) -> Iterator[str]:
    heading, in_code = "", False
    for line in _render(read_topic(topic)).splitlines():
        in_code ^= line.startswith("```")
        if not in_code and (title := _HEADING.fullmatch(line)):
            heading = title[1]
        if word.lower() in line.lower():
            yield f"{topic}: {heading}: {line.strip()}"


def _render(markdown: str) -> str:
    """Return Markdown for a terminal: without comments, with links to topics replaced by commands."""
    text = _TOPIC_LINK.sub(
        lambda link: f"`appliance help {link[2]}`" if link[1] == link[2] else f"{link[1]} (`appliance help {link[2]}`)",
        _COMMENT.sub("", markdown),
    )
    return _WEB_LINK.sub(r"\1 (\2)", text)


def _show(text: str) -> None:
    """Print text through the pager when standard output is a terminal, else directly."""
    pager = shlex.split(os.environ.get("PAGER", "")) or ["less"]
    if sys.stdout.isatty() and shutil.which(pager[0]):
        # F: exit at once if the text fits on the screen, R: show colors, X: leave the text on the screen.
        subprocess.run(pager, input=text.encode(), env={"LESS": "FRX", **os.environ}, check=False)
    else:
        print(text, end="" if text.endswith("\n") else "\n")
