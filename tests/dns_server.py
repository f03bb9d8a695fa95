"""A DNS server on loopback that knows what a test tells it, and says NXDOMAIN to the rest."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.resolver import Resolver

Zone = Mapping[tuple[str, str], list[str]]
"""(name, type) -> the records as a zone file writes them; of TXT, the text."""


@contextmanager
def resolver(zone: Zone) -> Iterator[Resolver]:
    """Asks a server that holds *zone*."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(listening, zone), daemon=True)
        thread.start()
        asking = Resolver(configure=False)
        asking.nameservers, asking.port = ["127.0.0.1"], listening.getsockname()[1]
        try:
            yield asking
        finally:
            listening.sendto(b"", listening.getsockname())
            thread.join(10)


def _serve(listening: socket.socket, zone: Zone) -> None:
    while True:
        data, peer = listening.recvfrom(4096)
        if not data:
            return
        listening.sendto(_answer(dns.message.from_wire(data), zone).to_wire(), peer)


def _answer(query: dns.message.Message, zone: Zone) -> dns.message.Message:
    question = query.question[0]
    name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    if records := zone.get((name, kind)):
        written = [_strings(text) for text in records] if kind == "TXT" else records
        answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, written))
    elif not any(known == name for known, _ in zone):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer


def _strings(text: str) -> str:
    """A string of a TXT record has at most 255 letters."""
    return " ".join(f'"{text[i : i + 250]}"' for i in range(0, len(text), 250))
