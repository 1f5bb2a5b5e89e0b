"""Markdown becomes HTML without scripts."""

import pytest

from appliance.web.markdown import render_markdown


def test_text_tables_and_links_are_rendered():
    html = render_markdown("# T\n\n| a |\n| - |\n| b |\n\n[x](https://a.example) [mqtt](mqtt.md#a) `c`")
    assert all(
        part in html for part in ("<h1>T</h1>", "<table>", 'href="https://a.example"', 'href="mqtt.md#a"', "<code>c")
    )


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "[x](JaVaScript:a)",
        "[x](data:text/html,a)", "[x](vbscript:a)", "![x](https://a.example/x.png)", "<javascript:alert(1)>",
        '[x](https://a "onmouseover=alert(1)")', "[x]: javascript:a\n\n[x]", "```<script>\nx\n```",
    ],
)  # fmt: skip
def test_nothing_in_it_runs(text):
    html = render_markdown(text).lower()
    assert "<script" not in html and "<img" not in html
    assert 'href="javascript' not in html and 'href="data' not in html and 'href="vbscript' not in html
