"""The corridor: pull, plan, deliver. It knows the order of the rooms and decides nothing else.

* `pull`    asks every source for what is new and keeps it; a source that is down is recorded, the others go on
* `plan`    chooses papers for everybody whose issue is due, and freezes the choice in the outbox
* `deliver` writes what is in the outbox and hands it to the next hop, each digest at most once
* `meaning` asks the operator's sentence-embedding model, where there is one, for what the store does not keep yet
* `incoming` takes what comes back: bounces and complaints, and when to stop writing to an address
* `alert`   tells the operator what needs a person, `tidy` forgets what nobody needs any more

Each may be repeated at any time, after any crash, by any number of processes: what is done stays done.
"""

from digest.pipeline.alert import alert, tell, troubles
from digest.pipeline.deliver import Delivered, deliver
from digest.pipeline.incoming import GIVEN_UP
from digest.pipeline.meaning import EMBEDDING
from digest.pipeline.parts import Parts, Progress, Semantic, no_progress
from digest.pipeline.plan import Planned, Reading, digest_for, picks_for, plan, read_day, window_of
from digest.pipeline.pull import ASKING, LOOKING_UP, Pulled, pull
from digest.pipeline.rates import Turns
from digest.pipeline.run import Report, Roster, Worked, refresh, remember, run, synchronise, work
from digest.pipeline.tidy import tidy
from digest.store import EVERYBODY, Share

__all__ = [
    "ASKING",
    "EMBEDDING",
    "EVERYBODY",
    "GIVEN_UP",
    "LOOKING_UP",
    "Delivered",
    "Parts",
    "Planned",
    "Progress",
    "Pulled",
    "Reading",
    "Report",
    "Roster",
    "Semantic",
    "Share",
    "Turns",
    "Worked",
    "alert",
    "deliver",
    "digest_for",
    "no_progress",
    "picks_for",
    "plan",
    "pull",
    "read_day",
    "refresh",
    "remember",
    "run",
    "synchronise",
    "tell",
    "tidy",
    "troubles",
    "window_of",
    "work",
]
