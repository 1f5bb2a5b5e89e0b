"""The last lines of the log in memory."""

import logging

from appliance.system.log_ring import MAX_LINES, LogRing


def make_logger():
    logger = logging.Logger("ring")
    ring = LogRing()
    logger.addHandler(ring)
    return logger, ring


def test_last_lines_are_kept_and_passed_on():
    logger, ring = make_logger()
    passed = []
    ring.on_line = passed.append
    for number in range(MAX_LINES + 5):
        logger.warning("line %d", number)
    lines = ring.lines()
    assert len(lines) == MAX_LINES and lines[-1]["text"] == f"line {MAX_LINES + 4}" and lines[-1]["level"] == "warning"
    assert len(passed) == MAX_LINES + 5


def test_secrets_and_controls_are_removed():
    logger, ring = make_logger()
    logger.error("rtsp://me:pw@cam \x1b[31mred\nnext")
    [line] = ring.lines()
    assert "pw" not in line["text"] and "\x1b" not in line["text"] and "\n" not in line["text"]


def test_malformed_record_is_no_error(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger, ring = make_logger()
    logger.error("%d", "x")
    assert ring.lines() == []
