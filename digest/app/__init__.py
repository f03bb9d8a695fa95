"""Builds real things from settings; the only place that does, and all that the entrances know.

`build` opens the corridor's parts, `passes` makes a pass, `looking` looks, `changing` changes on the operator's word,
`evaluating` measures the ranking.
"""

from digest.app.build import (
    clock_at,
    desk,
    links,
    mailbox,
    opened,
    reason_text,
    roster,
    semantic,
    site,
    store,
    synchronised,
    system_clock,
    template_folders,
    unreachable,
    writer,
)
from digest.app.changing import (
    add_person,
    allow_person,
    copy_database,
    export_people,
    import_people,
    people,
    remove_person,
    set_state,
    settle,
    upgrade,
)
from digest.app.looking import Preview, digests, outbox, picked, preview, status, why
from digest.app.passes import Crew, alert, run_for, run_once, tell
from digest.ranking import Explanation

__all__ = [
    "Crew",
    "Explanation",
    "Preview",
    "add_person",
    "alert",
    "allow_person",
    "clock_at",
    "copy_database",
    "desk",
    "digests",
    "export_people",
    "import_people",
    "links",
    "mailbox",
    "opened",
    "outbox",
    "people",
    "picked",
    "preview",
    "reason_text",
    "remove_person",
    "roster",
    "run_for",
    "run_once",
    "semantic",
    "set_state",
    "settle",
    "site",
    "status",
    "store",
    "synchronised",
    "system_clock",
    "tell",
    "template_folders",
    "unreachable",
    "upgrade",
    "why",
    "writer",
]
