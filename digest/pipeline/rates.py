"""When a message may go out: so many a second to the relay and to each domain, so many a day while a sender is new.

What a mailbox provider thinks of too fast a sender it says with 421 and 4.7.28, and then by the spam folder. Limits
hold for all processes on one database. They run in real time, also in replays: it is the relay that they spare.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

from digest.settings import Settings
from digest.store import Pace, Store

PATIENCE = 10.0
"""Seconds that a message waits with its connection. Whole batches must fit into a lease, so what has to wait longer
comes back later, and others go first."""

MINUTE, DAY = 60.0, 86400.0
WARM_UP = "warm-up"


@dataclass(frozen=True)
class Turns:
    """Gives each message its turn."""

    store: Store
    per_second: Mapping[str, float]
    """Limit -> messages a second; a limit is "relay" or "to <domain>"."""
    warm_up: Sequence[int] = ()
    """Messages on each of the first days of sending, in UTC."""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def from_settings(cls, store: Store, settings: Settings) -> Turns:
        """The limits of the relay; a local mailbox needs none."""
        if settings.smtp_url is None:
            return cls(store, {})
        domains = {f"to {domain}": rate for domain, rate in settings.smtp_domain_rates.items()}
        relay = {"relay": settings.smtp_rate} if settings.smtp_rate else {}
        return cls(store, relay | domains, settings.warm_up)

    @property
    def spaced(self) -> bool:
        """Whether messages wait here for their turn."""
        return bool(self.per_second)

    def wait(self, recipient: str) -> float:
        """Wait for the turn of a message to *recipient* and give back 0; or seconds after which to ask again."""
        now = self.clock()
        paces = [*self._spaced(recipient.rpartition("@")[2].lower(), now), *self._of_today(now)]
        if not paces:
            return 0.0
        places = self.store.rates.take(paces)
        if isinstance(places, Pace):
            return self._come_back(places, now)
        turn = max((place for pace, place in zip(paces, places, strict=True) if pace.name != WARM_UP), default=now)
        if turn > now:
            self.sleep(turn - now)
        return 0.0

    def _spaced(self, domain: str, now: float) -> list[Pace]:
        limits = [name for name in ("relay", f"to {domain}") if name in self.per_second]
        return [Pace(name, 1 / self.per_second[name], now, now + PATIENCE, MINUTE) for name in limits]

    def _of_today(self, now: float) -> list[Pace]:
        """The warm-up as a pace: a day's places lie between its two midnights, and all may be taken at once."""
        if not self.warm_up:
            return []
        number = (datetime.fromtimestamp(now, UTC).date() - self._first_day).days
        if number >= len(self.warm_up):
            return []
        midnight, interval = now // DAY * DAY, DAY / self.warm_up[max(number, 0)]
        return [Pace(WARM_UP, interval, midnight, midnight + DAY - interval / 2)]

    def _come_back(self, pace: Pace, now: float) -> float:
        """In how many seconds: after midnight, or at a moment of one's own, so that not all come back at once."""
        if pace.name == WARM_UP:
            return now // DAY * DAY + DAY - now
        soonest = max(PATIENCE, pace.interval)
        return soonest + self.store.rates.reserve(f"{pace.name}, later", pace.interval, now + soonest)

    @cached_property
    def _first_day(self) -> date:
        known = self.store.facts.get("warm_up_since")
        if known is None:
            known = datetime.fromtimestamp(self.clock(), UTC).date().isoformat()
            self.store.facts.put({"warm_up_since": known})
        return date.fromisoformat(known)
