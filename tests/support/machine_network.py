"""A network for a booted machine: this host on one cable, and further hosts, each in a network namespace of its own."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

_SUBNETS = itertools.count(1)
_REQUEST = """
import json, sys, urllib.error, urllib.request
method, url, headers, body = json.loads(sys.argv[1])
request = urllib.request.Request(url, body.encode() if body else None, headers, method=method)
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    print(json.dumps([0, str(error)]))
    sys.exit()
print(json.dumps([answer.status, answer.read(65536).decode(errors="replace")]))
"""


def missing() -> str | None:
    """Return why no network can be made here, or None."""
    return None if shutil.which("ip") else "ip is missing: apt-get install iproute2"


class Host:
    """Another host with one address, on the machine's network."""

    def __init__(self, name: str, address: str):
        self.name, self.address = name, address

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this host."""
        return subprocess.run(["ip", "netns", "exec", self.name, *command], capture_output=True, text=True, timeout=60)

    def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: str | None = None
    ) -> tuple[int, str]:
        """Send a request; return the status and the body, or 0 and the error if there was no answer."""
        request = json.dumps([method, url, headers or {}, body])
        status, text = json.loads(self.run(sys.executable, "-c", _REQUEST, request).stdout)
        return status, text

    def wrap(self, program: str, folder: Path) -> Path:
        """Return a script that runs a program on this host."""
        script = folder / f"{Path(program).name}-on-{self.name}"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {program} "$@"\n')
        script.chmod(0o755)
        return script


class MachineNetwork:
    """The cables of a machine, until `close`; `address` is the machine's for this host."""

    def __init__(self, leader: int):
        """Connect this host.

        Args:
            leader: The process id of the machine's first process.
        """
        self._leader = leader
        self._hosts: list[Host] = []
        self._links: list[str] = []
        self.address = self._connect(None)[1]

    def add_host(self, subnet: str | None = None) -> tuple[Host, str]:
        """Connect another host; return it and the machine's address for it.

        Args:
            subnet: The first three numbers of their addresses; a private network by default.
        """
        host = Host(f"t{os.getpid()}-{len(self._hosts)}", "")
        _ip("netns", "add", host.name)
        self._hosts.append(host)
        host.address, address = self._connect(host.name, subnet)
        return host, address

    def close(self) -> None:
        """Remove everything."""
        for host in self._hosts:
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True)
        for link in self._links:
            subprocess.run(["ip", "link", "del", link], capture_output=True)

    def _connect(self, namespace: str | None, subnet: str | None = None) -> tuple[str, str]:
        number = next(_SUBNETS)
        subnet = subnet or f"10.{os.getpid() % 200 + 20}.{number}"
        near, far = f"tv{os.getpid() % 10**6}-{number}", f"eth{number}"
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", str(self._leader))
        self._links.append(near)
        inside = ["nsenter", "-t", str(self._leader), "-n"]
        outside = ["ip", "netns", "exec", namespace] if namespace else []
        if namespace:
            _ip("link", "set", near, "netns", namespace)
        for prefix, link, end in ((outside, near, 1), (inside, far, 2)):
            _ip("addr", "add", f"{subnet}.{end}/24", "dev", link, prefix=prefix)
            _ip("link", "set", link, "up", prefix=prefix)
        return f"{subnet}.1", f"{subnet}.2"


def _ip(*arguments: str, prefix: list[str] | None = None) -> None:
    subprocess.run([*(prefix or []), "ip", *arguments], check=True, capture_output=True, text=True)
