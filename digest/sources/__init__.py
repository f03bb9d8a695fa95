"""Where papers come from.

How to add a source: write one module beside `feed.py` with a class that keeps the promise of `Source`, ending in a pure
`parse(body, …)` that returns listings and, in words for the status line, what was wrong with the body. Fetch through
`Gathering`, which notes failures instead of raising them. Then add one line to `SOURCES`, and its name is known to the
setting `sources`.

A pull is used like this; the order of the last two lines is what makes a crash harmless:

    for source in build(settings):
        pull = source.pull(client, Task(now, covered_until[source.name], categories))
        store.save(pull)                    # listings, failure, covered_until
        client.remember(pull.validators)    # from now on "not changed" is a good answer
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from digest.errors import SettingsError
from digest.models import Paper
from digest.settings import Settings
from digest.sources.arxiv import Arxiv
from digest.sources.feed import Feed
from digest.sources.http import Client, Limits, Pace, Validator, Validators
from digest.sources.huggingface import HuggingFace
from digest.sources.seam import Gathering, Pull, Source, Task

__all__ = [
    "SOURCES",
    "Client",
    "Gathering",
    "Limits",
    "Pace",
    "Pull",
    "Source",
    "Task",
    "Validator",
    "Validators",
    "build",
    "look_up",
]

SOURCES: dict[str, Callable[[Settings], Source]] = {
    "huggingface": lambda settings: HuggingFace(settings.huggingface_url),
    "arxiv": lambda settings: Arxiv(settings.arxiv_feed_url, settings.arxiv_api_url),
}
"""What the setting `sources` may name."""


def build(settings: Settings) -> tuple[Source, ...]:
    """The sources that *settings* name, then their feeds.

    Raises:
        SettingsError: a source is unknown, or two go by one name.
    """
    problems = [
        f"sources: there is no source {name!r}; known are {', '.join(sorted(SOURCES))}"
        for name in settings.sources
        if name not in SOURCES
    ]
    taken = set(SOURCES)
    for feed in settings.feeds:
        if feed.name in taken:
            problems.append(f"feeds: the name {feed.name!r} is taken; give this feed another")
        taken.add(feed.name)
    if problems:
        raise SettingsError(*problems)
    named = (SOURCES[name](settings) for name in dict.fromkeys(settings.sources))
    return (*named, *(Feed(feed.name, feed.url) for feed in settings.feeds))


def look_up(settings: Settings, client: Client, ids: Sequence[str]) -> tuple[tuple[Paper, ...], str]:
    """The papers with these ids, such as liked ones that no source has listed; see `Arxiv.look_up`."""
    return Arxiv(settings.arxiv_feed_url, settings.arxiv_api_url).look_up(client, ids)
