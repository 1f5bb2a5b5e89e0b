"""Helpers for the tests of the outbox."""

from pathlib import Path
from typing import Any

from appliance.messaging.outbox.outbox import Outbox

TOPIC = "appliance/pi-test/event"
WEEK_S = 604_800.0


def events(first: int, last: int, **payload: Any) -> list[dict[str, Any]]:
    """Return events with the sequence numbers from `first` up to, but not including, `last`."""
    return [{"topic": TOPIC, "payload": {"seq": number, **payload}} for number in range(first, last)]


def seqs(outbox: Outbox, limit: int = 1_000_000) -> list[int]:
    """Take a batch and return its sequence numbers."""
    return [int(event.payload.split(":")[1].strip("}").split(",")[0]) for event in outbox.take_batch(limit)]


def count_logged(caplog: Any, part: str) -> int:
    """Return how many log messages contain `part`."""
    return sum(part in record.getMessage() for record in caplog.records)


def fill_disk(disk: Path, name: str) -> Path:
    """Write a file that fills a disk, and return its path."""
    filler = disk / name
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler
