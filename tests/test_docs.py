"""The manual and the README: links, commands, settings and topics exist, and the settings reference is current."""

import ast
import itertools
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli import COMMANDS, _make_parser
from appliance.messaging.topics import Topics
from appliance.settings.load import load_settings
from appliance.settings.reference import describe_sections, settings_reference
from appliance.system.manual import TOPICS
from support.paths import ROOT

DOCS = ROOT / "appliance" / "docs"
README = ROOT / "README.md"
TOPIC_FILES = [DOCS / f"{topic}.md" for topic in TOPICS]
FILES = [README, *TOPIC_FILES, *sorted((DOCS / "decisions").glob("*.md"))]
MAX_README_BYTES = 8192
MAX_SUMMARY_CHARACTERS = 80

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
HEREDOC = re.compile(r"<<'?(\w+)'?(.*?)^\1$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
CAMERA_STATE = re.compile(r"^camera: (absent|busy|stalled): ")
SECTIONS = {section.name: {setting.key for setting in section.settings} for section in describe_sections()}
FILE_SUFFIXES = (".toml", ".json", ".md", ".py", ".local", ".crt", ".key")
# Subcommands and words in front of a command, as in `sudo timeout --preserve-status 20 appliance run`.
PREFIX = re.compile(r"(sudo|timeout|--preserve-status|\d+|\w+=\S*)$")

by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """Return the text without code blocks."""
    return FENCE.sub("", read(path))


def fences(path: Path, language: str) -> list[str]:
    return [match[3] for match in FENCE.finditer(read(path)) if match[2] == language]


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", LINK.sub("", heading).lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def shell_commands(script: str) -> Iterator[list[str]]:
    """Yield the words of each simple command in a shell block, without here-documents and redirections."""
    script = HEREDOC.sub("", COMMENT.sub("", script.replace("\\\n", " ")))
    lexer = shlex.shlex(script, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = " \t", "", True
    words: list[str] = []
    for word in [*lexer, "\n"]:
        if set(word) <= set("();|&<>\n"):
            yield words
            words = []
        else:
            words.append(word)


def appliance_commands(path: Path) -> Iterator[list[str]]:
    """Yield the arguments of each `appliance …` in the shell blocks of a file."""
    for script in fences(path, "sh"):
        for words in shell_commands(script):
            command = list(itertools.dropwhile(PREFIX.match, words))
            if command and command[0] in ("appliance", ".venv/bin/appliance"):
                yield command[1:]


def is_setting(section: str, key: str) -> bool:
    return key in SECTIONS[section] or f"{section}.{key}" in SECTIONS


def program_strings() -> list[str]:
    """Return every string of the program; where a value is inserted, the string has a null character."""
    strings = []
    for path in (ROOT / "appliance").rglob("*.py"):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.JoinedStr):
                strings.append(
                    "".join(str(getattr(part, "value", "")) if is_text(part) else "\0" for part in node.values)
                )
            elif is_text(node):
                strings.append(re.sub(r"%[a-z]", "\0", str(getattr(node, "value", ""))))
    return strings


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def known_topics() -> set[str]:
    """Return every topic, with T for the device's part."""
    topics = Topics("appliance", "DEVICE-ID")
    values = [getattr(topics, name) for name in dir(Topics) if isinstance(getattr(Topics, name), property)]
    by_label = (topics.label, topics.today, topics.last_seen, topics.picture)
    names = {value for value in values if isinstance(value, str)} | {topic("<slug>") for topic in by_label}
    return {name.replace("appliance/DEVICE-ID", "T") for name in names} - {"T"}


def test_readme_is_short():
    assert len(README.read_bytes()) <= MAX_README_BYTES


def test_each_topic_is_in_the_list_and_in_the_readme():
    files = {path.stem for path in DOCS.glob("*.md")}
    in_readme = re.findall(r"^\| \[([a-z-]+)\]\(appliance/docs/\1\.md\) \|", read(README), re.MULTILINE)
    assert set(TOPICS) == files
    assert list(TOPICS) == in_readme


@pytest.mark.parametrize("path", TOPIC_FILES, ids=lambda path: path.stem)
def test_topic_begins_with_title_and_summary(path):
    title, empty, summary, after = read(path).split("\n")[:4]
    assert title.startswith("# ")
    assert (empty, after) == ("", "")
    assert summary.endswith(".")
    assert len(summary) <= MAX_SUMMARY_CHARACTERS


@by_name
def test_links_resolve(path):
    broken = []
    for target in LINK.findall(prose(path)):
        name, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (path.parent / name).resolve() if name else path
        if not file.is_file() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@by_name
def test_code_blocks_are_of_a_known_language(path):
    assert {match[2] for match in FENCE.finditer(read(path))} <= {"sh", "text", "toml", "ini", "yaml"}


@by_name
def test_shell_blocks_are_valid_shell(path):
    for script in fences(path, "sh"):
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.stderr == ""


@by_name
def test_appliance_commands_parse(path, capsys):
    for arguments in appliance_commands(path):
        try:
            _make_parser(arguments).parse_args(arguments)
        except SystemExit:
            pytest.fail(f"appliance {shlex.join(arguments)}: {capsys.readouterr().err}")


def test_appliance_commands_are_found():
    """The test above would also pass if it found no command at all."""
    found = [" ".join(arguments) for path in FILES for arguments in appliance_commands(path)]
    assert "check" in found
    assert "run --config my.toml" in found
    assert "run --config update.toml" in found
    assert len(found) > 40


@by_name
def test_appliance_commands_in_prose_exist(path):
    named = [code.split() for code in CODE.findall(prose(path)) if code.startswith("appliance ")]
    assert [words for words in named if words[1] not in COMMANDS and not words[1].startswith("-")] == []


@by_name
def test_scripts_exist(path):
    named = re.findall(r"(?<![\w/])(?:\./)?((?:scripts|config|tests)/[\w./-]*\w)", read(path))
    assert [name for name in named if "test_NAME" not in name and "<" not in name and not (ROOT / name).exists()] == []


@by_name
def test_source_files_exist(path):
    named = re.findall(r"`(appliance/[\w/]+\.py)`", prose(path))
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


@by_name
def test_settings_exist(path):
    missing = []
    for code in CODE.findall(prose(path)):
        name = code.split(" = ")[0]
        section, _, key = name.rpartition(".")
        if section in SECTIONS and not name.endswith(FILE_SUFFIXES) and not is_setting(section, key):
            missing.append(code)
    assert missing == []


@by_name
def test_settings_examples_load(path, tmp_path):
    for text in fences(path, "toml"):
        tomllib.loads(text)
        file = tmp_path / "example.toml"
        file.write_text(text, encoding="utf-8")
        load_settings(file, {})


@by_name
def test_topics_exist(path):
    known = known_topics()
    named = {name.rstrip("/") for name in re.findall(r"`(T/[\w/<>-]+)`", prose(path))}
    assert {
        name for name in named if not any(topic == name or topic.startswith(f"{name}/") for topic in known)
    } == set()


def test_each_topic_is_described():
    text = read(DOCS / "mqtt.md")
    missing = {topic for topic in known_topics() if topic not in text}
    assert missing == {"homeassistant/status"}


def test_quoted_messages_exist():
    """The column "Message" of troubleshooting, in which … takes the place of what differs."""
    strings = program_strings()
    rows = [line.split(" | ") for line in read(DOCS / "troubleshooting.md").splitlines() if line.count(" | ") >= 2]
    quoted = [quote for row in rows for quote in re.findall(r"(`+)(.+?)\1", row[1])]
    parts = {part.strip() for _, quote in quoted for part in CAMERA_STATE.sub("", quote).split("…")}
    missing = {part for part in parts if part and not any(part in string for string in strings)}
    assert missing == {"Watchdog timeout"}, "systemd's own words, and nothing else"
    assert len(parts) > 20


def test_settings_reference_is_current():
    text = read(DOCS / "settings.md")
    written = text[text.index("\n## [") + 1 :]
    assert written == settings_reference(), "the settings changed: run scripts/write-settings-reference"
