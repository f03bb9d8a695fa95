"""Hosts with addresses of their own on one machine: Linux network namespaces on a switch, whose links can be cut.

Needs root and iproute2. The switch is a bridge in a namespace of its own, out of reach of this machine's packet filter;
this process is on it too. 198.18.0.0/15 is set aside for such use (RFC 2544, section C.2.2).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass


def allowed() -> bool:
    """Whether namespaces can be made here."""
    if os.geteuid() or not shutil.which("ip"):
        return False
    name = f"digest{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    return made and subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Network:
    """A switch and its hosts."""

    prefix: str
    here: str
    """Address of this process."""
    addresses: Mapping[str, str]
    """Host -> address."""

    def inside(self, host: str) -> tuple[str, ...]:
        """What goes before a command that is to run on *host*."""
        return ("ip", "netns", "exec", f"{self.prefix}-{host}")

    def unplug(self, host: str) -> None:
        """Cut its link: packets vanish, and nobody is told."""
        _ip("-n", f"{self.prefix}-switch", "link", "set", host, "down")

    def plug(self, host: str) -> None:
        """Join the link again."""
        _ip("-n", f"{self.prefix}-switch", "link", "set", host, "up")


@contextmanager
def network(*hosts: str) -> Iterator[Network]:
    """A network of these hosts, which goes with its namespaces."""
    number = os.getpid()
    net = f"198.18.{number % 256}"
    made = Network(f"digest{number}", f"{net}.1", {host: f"{net}.{n}" for n, host in enumerate(hosts, 2)})
    switch = f"{made.prefix}-switch"
    with ExitStack() as stack:
        for host in ("switch", *hosts):
            _ip("netns", "add", f"{made.prefix}-{host}")
            stack.callback(_ip, "netns", "del", f"{made.prefix}-{host}")
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        _lay(switch, "here", str(number), f"dg{number}")
        # by hand: a namespace takes its cables with it some time later, when the next network may lie here already
        stack.callback(_ip, "link", "del", f"dg{number}")
        _set_up((), f"dg{number}", made.here)
        for host, address in made.addresses.items():
            namespace = f"{made.prefix}-{host}"
            _lay(switch, host, namespace, "eth0")
            _set_up(("-n", namespace), "eth0", address)
        yield made


def _lay(switch: str, host: str, namespace: str, end: str) -> None:
    """A cable: its one end, named after the *host*, is in the switch, its other *end* in *namespace*."""
    _ip("-n", switch, "link", "add", host, "type", "veth", "peer", "name", end, "netns", namespace)
    _ip("-n", switch, "link", "set", host, "master", "bridge", "up")


def _set_up(where: tuple[str, ...], end: str, address: str) -> None:
    _ip(*where, "link", "set", "lo", "up")
    _ip(*where, "address", "add", f"{address}/24", "dev", end)
    _ip(*where, "link", "set", end, "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
