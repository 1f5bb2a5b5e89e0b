"""Requirements on the command line."""

import json

import pytest

from support.bundles import bundle_folder


def test_pushed_requirements_are_in_the_channel_and_printed(tmp_path, publish):
    publish("init")
    bundle = bundle_folder(tmp_path / "mine", version="2.0")
    publish("push", bundle, "--version", "1.0")
    words = ["--requires-memory", "1000", "--requires-board", "Raspberry Pi 5", "--requires-input", "320x240"]
    status, out, _ = publish("push", bundle, *words)
    assert status == 0
    assert "2.0 for everyone else (requires frames of 320×240, 1000 MB, Raspberry Pi 5); 1.0 for everyone" in out
    entry = json.loads(publish("status", "--json")[1])["channels"]["stable"][0]
    assert entry["requires"] == {"input": [240, 320], "memory_mb": 1000.0, "board": "Raspberry Pi 5"}


@pytest.mark.parametrize("words", [["--requires-input", "5"], ["--requires-memory", "0"], ["--requires-board", ""]])
def test_impossible_requirement_is_wrong_usage(tmp_path, publish, words):
    status, out, err = publish("push", "x.zip", *words)
    assert (status, out) == (2, "") and err.count("\n") == 1 and words[0] in err
