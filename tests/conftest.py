"""Fixtures for every test: a log as it was, a real broker, and the published models and pictures."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.broker import Broker, mosquitto

_ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """What a shell runs in the background ignores Ctrl-C, and so would every program that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command sets up how the whole process logs; the next test finds it as it was."""
    root, own = logging.getLogger(), logging.getLogger("appliance")
    before = list(root.handlers), root.level, own.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])


@pytest.fixture
def new_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Makes brokers with options of `broker.Broker`; they end with the test. Skips where mosquitto is not installed."""
    if not mosquitto():
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    made: list[Broker] = []

    def make(**options: Any) -> Broker:
        made.append(Broker(tmp_path / f"broker-{len(made)}", **options))
        return made[-1]

    yield make
    for broker in made:
        broker.kill()


@pytest.fixture
def broker(new_broker: Callable[..., Broker]) -> Broker:
    """A broker that lets everybody in."""
    return new_broker()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of published models and pictures (APPLIANCE_TEST_DATA, default ../shared); skips where there is none."""
    shared = Path(os.environ.get("APPLIANCE_TEST_DATA", _ROOT.parent / "shared"))
    if not (shared / "data").is_dir():
        pytest.skip(f"no test data in {shared} (APPLIANCE_TEST_DATA names another place)")
    return shared / "data"
