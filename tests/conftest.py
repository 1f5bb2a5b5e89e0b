"""Fixtures for every test: restored logging, a real broker, and the published models and pictures."""

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.broker import Broker, mosquitto
from support.browser import Browser, find_chromium
from support.paths import CHILD_ENVIRONMENT, OUTPUT_VARIABLES

_ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Make the tests independent of how they are started.

    Restores Ctrl-C and hangup, which background processes of a shell ignore, and with them the tested programs.
    """
    os.environ["TERM"] = CHILD_ENVIRONMENT["TERM"]
    for name in OUTPUT_VARIABLES:
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Restore the logging configuration of the process, which commands change, after each test.

    The levels are set before each test too, because fixtures that live longer than a test also run commands.
    """
    root = logging.getLogger()
    handlers = list(root.handlers)
    _set_initial_levels()
    yield
    root.handlers[:] = handlers
    _set_initial_levels()


def _set_initial_levels() -> None:
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("appliance").setLevel(logging.NOTSET)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that other accounts can access (those of pytest are closed to them)."""
    folder = Path(tempfile.mkdtemp(prefix="appliance-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a real browser without a page, for all tests of a module; skip if there is none."""
    if not find_chromium():
        pytest.skip("chromium and chromedriver are not installed (scripts/install-test-tools)")
    started = Browser(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()


@pytest.fixture
def new_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Return a function that makes brokers, which end with the test; skip if mosquitto is not installed."""
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
    """Return a broker that accepts every client."""
    return new_broker()


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of published models and pictures (APPLIANCE_TEST_DATA, default ../shared), or skip."""
    shared = Path(os.environ.get("APPLIANCE_TEST_DATA", _ROOT.parent / "shared"))
    if not (shared / "data").is_dir():
        pytest.skip(f"no test data in {shared}; set APPLIANCE_TEST_DATA to its folder")
    return shared / "data"
