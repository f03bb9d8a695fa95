"""The compose room: picks become the bytes of a mail. Values in, bytes out; no clock, no network.

The `writer` takes the steps, a file each: what the program says (`sentences`, in the reader's `words`), how a paper
looks (`cards`), what stands around the papers (`frames`), the `page` of both, kept under 90 KB, the signed `links` in
it, the `headers`, and the `message` that carries it all. `render` finds the templates, which live in `templates/mail/`;
what they render is kept for thousands of readers, with `slots` for what differs, and encoded once (`quoted`). `text`
makes strangers' text harmless.
"""

from digest.compose.links import Expired, Forged, Link, Links, Purpose, Verb
from digest.compose.render import template_folder
from digest.compose.sheet import Sheet
from digest.compose.site import Site
from digest.compose.writer import Writer, Written

__all__ = [
    "Expired",
    "Forged",
    "Link",
    "Links",
    "Purpose",
    "Sheet",
    "Site",
    "Verb",
    "Writer",
    "Written",
    "template_folder",
]
