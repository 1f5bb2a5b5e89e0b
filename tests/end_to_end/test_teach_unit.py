"""Test training on a machine with a real systemd: its limits, and labeling while it runs out of memory."""

import json
import shutil
import time

import pytest

from support.machine import Machine, put_clone, wheels
from support.memory_group import MemoryGroup, find_process, missing

pytestmark = pytest.mark.slow

# A dataset of two labels with four recordings each, written as the service's account: colored squares before clutter.
PICTURES = """
from pathlib import Path
import numpy as np
from appliance.imaging.files import encode_jpeg

for index in range({count}):
    label, random = index % 2, np.random.default_rng(index)
    pixels = np.kron(random.integers(0, 120, (12, 16, 3), np.uint8), np.ones((40, 40, 1), np.uint8))
    x, y = random.integers(0, 440), random.integers(0, 280)
    pixels[y : y + 200, x : x + 200] = ((255, 40, 40), (40, 40, 255))[label]
    folder = Path("/var/lib/appliance/dataset", ("cup", "mug")[label])
    folder.mkdir(parents=True, exist_ok=True)
    name = f"20261129-12{{index // 60 % 60:02d}}{{index % 60:02d}}-000_rec-{{index // 2 % 4:07x}}{{label}}.jpg"
    (folder / name).write_bytes(encode_jpeg(pixels))
"""
ASK = """
import json, sys, urllib.request
method, path, token = sys.argv[1:4]
request = urllib.request.Request("http://127.0.0.1:8080" + path, b"" if method != "GET" else None,
                                 {"Authorization": "Bearer " + token}, method=method)
with urllib.request.urlopen(request) as answer:
    print(answer.headers.get("X-Frame-Number") or answer.read().decode())
"""
PYTHON = "/opt/appliance/current/venv/bin/python -I"


class Trainer:
    """A machine with the page and the workshop, which labels drawn scenes."""

    def __init__(self, machine: Machine):
        self.machine = machine
        put_clone(machine)
        shutil.copytree(wheels("web", "workshop"), machine.root / "wheels")
        machine.run("scripts/install.sh --wheels /wheels --web --with workshop", timeout_s=900)
        machine.edit("/etc/appliance/appliance.toml", ('source = "auto"', 'source = "scene"'))
        machine.run("systemctl restart appliance")
        machine.wait_for_log("camera: streaming")
        machine.write("/srv/ask.py", ASK)
        self.token = machine.run("appliance web --new-token test --scope admin").stdout.split()[-1]

    def teach(self, count: int) -> None:
        self.machine.write("/srv/pictures.py", PICTURES.format(count=count))
        self.machine.run(f"runuser -u appliance -- {PYTHON} /srv/pictures.py")

    def ask(self, method: str, path: str) -> dict:
        return json.loads(self.machine.run(f"python3 /srv/ask.py {method} {path} {self.token}").stdout)

    def wait(self, limit_s: float = 300) -> dict:
        end_s = time.monotonic() + limit_s
        while (state := self.ask("GET", "/api/training"))["state"] == "running":
            assert time.monotonic() < end_s, state
            time.sleep(1)
        return state

    def frames(self) -> int:
        """Return the number of the newest labeled frame."""
        command = f"python3 /srv/ask.py GET /api/frame.jpg {self.token}"
        return int(self.machine.run(f"for i in $(seq 30); do {command} && break; sleep 1; done").stdout.split()[-1])


def test_training_in_the_sandbox_and_out_of_memory(new_machine):
    if reason := missing():
        pytest.skip(reason)
    trainer = Trainer(new_machine())
    check_limits_and_result(trainer)
    check_that_labeling_survives(trainer)


def check_limits_and_result(trainer: Trainer) -> None:
    """Train in the sandbox: lowest priority, first to die; the result survives a restart and can be used."""
    trainer.teach(120)
    trainer.ask("POST", "/api/training")
    listed = "ps -eo ni,cls,args | grep -- '-m appliance train' | grep -v grep"
    child = trainer.machine.run(f"for i in $(seq 50); do {listed} && break; sleep 0.1; done").stdout
    assert child.split()[0] == "19", child
    adjusted = "for p in $(pgrep -f 'appliance train'); do cat /proc/$p/oom_score_adj; ionice -p $p; done"
    said = trainer.machine.run(adjusted, check=False).stdout
    assert "1000" in said and "idle" in said, said
    state = trainer.wait()
    assert state["state"] == "done", state
    assert state["result"]["labels"] == ["cup", "mug"] and state["result"]["accuracy"]["pictures"] > 0
    # The next start of the program keeps the result, and it can be used.
    trainer.machine.run("systemctl restart appliance; sleep 3")
    assert trainer.ask("GET", "/api/training")["state"] == "done"
    used = trainer.ask("POST", "/api/training/use")
    status = trainer.ask("GET", "/api/status")
    assert status["model"]["version"] == used["version"] and status["model"]["origin"] == "trained on this device"


def check_that_labeling_survives(trainer: Trainer) -> None:
    """Let the kernel end a training for want of memory; the service goes on without a restart."""
    machine = trainer.machine
    main, restarts = machine.property("MainPID"), machine.property("NRestarts")
    with MemoryGroup("appliance-teach-test", 180_000_000) as group:
        group.add(find_process(main, machine.leader))
        before = trainer.frames()
        trainer.ask("POST", "/api/training")
        state = trainer.wait()
        assert state["state"] == "failed" and "memory" in state["error"], state
        assert group.killed >= 1
    assert (machine.property("MainPID"), machine.property("NRestarts")) == (main, restarts)
    assert machine.property("ActiveState") == "active" and trainer.frames() > before
