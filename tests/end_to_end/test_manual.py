"""Test that the shell blocks of the README and manual run as written, for a normal user on a fresh Debian."""

import pytest

from support.machine import CACHE, missing
from support.manual import ShellBlock, boot_user_machine, read_blocks, run_blocks
from support.paths import ROOT

pytestmark = pytest.mark.slow

DOCS = ROOT / "appliance/docs"
# Topics whose blocks continue on the machine that an earlier topic set up.
BEFORE = {"broker": ["raspberry-pi"], "commands": ["raspberry-pi"]}
# Of the other topics, tests run what needs neither pictures of the user nor hardware.
ALSO = {"getting-started": ["update-sources", "performance"], "commands": ["http-api"]}
TOPICS = ["README", "getting-started", "raspberry-pi", "broker", "publish", "commands"]


def topic_blocks(topic: str) -> list[ShellBlock]:
    blocks = read_blocks(ROOT / "README.md" if topic == "README" else DOCS / f"{topic}.md")
    assert blocks
    return blocks


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
@pytest.mark.parametrize("topic", TOPICS)
def test_shell_blocks_run_as_written(topic, suite, tmp_path, capsys):
    if reason := missing() or (None if (CACHE / f"debian-{suite}/.complete").exists() else f"there is no {suite} root"):
        pytest.skip(reason)
    run = [*BEFORE.get(topic, []), topic, *ALSO.get(topic, [])]
    blocks = [block for each in run for block in topic_blocks(each)]
    skipped = [block for block in blocks if block.needs]
    machine = boot_user_machine(tmp_path / "machine", suite)
    try:
        output = run_blocks(machine, [block for block in blocks if not block.needs], timeout_s=900)
    finally:
        machine.unmount()
    with capsys.disabled():
        for block in skipped:
            print(f"\n{block.file}:{block.line} skipped: needs {block.needs}", end="")
    assert output.count("=== ") >= len(blocks) - len(skipped)


def test_every_topic_is_run_or_marked():
    """A block that no test runs must state what it needs."""
    run = {*TOPICS, *(each for more in ALSO.values() for each in more)}
    unmarked = {path.stem for path in DOCS.glob("*.md") for block in read_blocks(path) if not block.needs}
    assert unmarked - run == {"contributing"}  # whose commands run these tests


def test_marked_block_is_left_out_of_the_run(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- needs: hardware -->\n```sh\nls /dev/video*\n```\n\ntext\n\n```sh\ntrue\n```\n")
    assert [(block.text, block.needs) for block in read_blocks(page)] == [
        ("ls /dev/video*", "hardware"),
        ("true", None),
    ]
