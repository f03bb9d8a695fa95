"""`digest doctor`: what would go wrong tomorrow, and what to do about it.

It looks at everything and changes nothing: no file is made, no schema is migrated, no mail is sent. Like `app` it knows
the rooms, because it asks each of them for its own trouble. What cannot be asked from here (no network, a missing
extra) is a warning that says so, never a silence.

* `finding`   what is found
* `here`      this machine: database, secret key, disk, templates, roster, the semantic model, who hears of trouble
* `relay`     the way out: login, TLS, the sender's address
* `upstreams` the sources, and by them the clock
* `names`     the DNS: SPF, DKIM, DMARC, MX, reverse names; needs the extra `doctor`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from digest.app import system_clock
from digest.doctor import here, relay, upstreams
from digest.doctor.finding import Finding, Level
from digest.settings import Settings

if TYPE_CHECKING:
    from dns.resolver import Resolver

__all__ = ["Finding", "Level", "examine"]


def examine(
    settings: Settings, clock: Callable[[], datetime] = system_clock, resolver: Resolver | None = None
) -> Iterator[Finding]:
    """Everything there is to say, as it is found.

    Args:
        settings: what to look at.
        clock: this machine's, which is compared with others'.
        resolver: asks the DNS; None: as this machine does.
    """
    now = clock()
    yield from here.database(settings)
    yield from here.secret_key(settings)
    yield from here.disk(settings)
    yield from here.templates(settings, now)
    yield from here.roster(settings)
    yield from here.semantic(settings)
    yield from here.operator(settings)
    yield from here.web(settings)
    yield from here.inbound(settings)
    yield from upstreams.sources(settings, clock)
    server = yield from relay.login(settings, now)
    yield from _names(settings, server, resolver)


def _names(settings: Settings, server: str, resolver: Resolver | None) -> Iterator[Finding]:
    if settings.smtp_url is None:
        return
    try:
        from digest.doctor import names  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError:
        yield Finding.warn(
            "DNS", "SPF, DKIM, DMARC and reverse names were not looked at", "pip install 'digest[doctor]'"
        )
        return
    yield from names.look(settings, server, resolver)
