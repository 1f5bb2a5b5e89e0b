"""Machines for the tests of the installer and the unit; the one with the appliance installed is made once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.machine import BASE, Machine, missing, put_clone, wheels

SETTINGS = (('source = "auto"', 'source = "scene"'), ('#id = "pi-kitchen"', 'id = "t"'))


@pytest.fixture(scope="session")
def installed_layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the layer that a first installation writes over the base; `first.txt` in it is the installer's output."""
    if reason := missing():
        pytest.skip(reason)
    machine = Machine(tmp_path_factory.mktemp("installed"))
    try:
        put_clone(machine)
        shutil.copytree(wheels(), machine.root / "wheels")
        machine.write("/first.txt", machine.run("scripts/install.sh --wheels /wheels").stdout)
        machine.edit("/etc/appliance/appliance.toml", *SETTINGS)
        machine.shut_down()
        yield machine.upper
    finally:
        machine.unmount()


@pytest.fixture
def new_machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Return a function that boots machines on the given layers and the base; they end with the test."""
    if reason := missing():
        pytest.skip(reason)
    made: list[Machine] = []

    def make(*layers: Path, **options: object) -> Machine:
        made.append(Machine(tmp_path / f"machine-{len(made)}", (*layers, BASE), **options))
        return made[-1]

    yield make
    for machine in made:
        machine.unmount()


@pytest.fixture
def machine(installed_layer: Path, new_machine: Callable[..., Machine]) -> Machine:
    """Boot a machine on which the appliance is installed and labels drawn scenes."""
    machine = new_machine(installed_layer)
    machine.wait_for_log("camera: streaming")
    return machine
