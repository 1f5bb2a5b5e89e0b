"""Prometheus metrics."""

import re

from appliance.web.routes.metrics import _escape, _merge

LINE = re.compile(r'[a-z_]+(\{([a-z_]+="(\\.|[^"\\\n])*",?)*\})? [0-9.e+-]+')


def test_every_line_has_the_text_format(admin):
    answer = admin.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.body.decode().splitlines()
    values = [line for line in lines if not line.startswith("# ")]
    assert values and all(LINE.fullmatch(line) for line in values)
    assert "appliance_up 1" in values and any(line.startswith('appliance_label_score{label="') for line in values)


def test_label_cannot_break_the_format():
    assert _escape('a"b\\c\nd') == r"a\"b\\c\nd"


def test_repeated_label_appears_once():
    assert _merge([{"label": "a", "score": 2}, {"label": "b", "score": 1}, {"label": "a", "score": 0}]) == [
        {"label": "a", "score": 2},
        {"label": "b", "score": 1},
    ]
