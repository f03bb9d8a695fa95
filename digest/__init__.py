"""`digest` mails researchers the papers they would have wanted to find, once a day, at the hour they chose.

A tour of the house. A paper walks through five rooms, and no room knows another:

* `sources`   asks Hugging Face, arXiv and feeds politely, and turns their bytes into papers
* `store`     remembers papers, people, and every digest on its way, in SQLite or PostgreSQL
* `ranking`   chooses for each reader, and says truthfully why
* `compose`   writes the mail: text, HTML, headers, signed links
* `delivery`  hands it to the next hop, and understands the answer

`pipeline` is the corridor that knows their order: pull, plan, deliver. `subscription` is the desk beside it: signing
up, preferences, leaving, a reader's rights. `app` builds the real things from settings, and is all that the entrances
know: `cli` (the terminal), `schedule` (the clock), `cluster` (many machines), `web` (the pages), `inbound` (incoming
mail), `doctor` (what would go wrong tomorrow), `inbox`, `demo` and `watching` (see it work here).
At the bottom lie values that import nothing above them: `models`, `errors`, `settings`, `due`, which knows when an
issue is due at the reader's place, and `zones`, which knows by whose rules; beside them `strands` (many connections in
one thread) and `forks` (where processes come from).

import-linter holds the house to this plan; see `pyproject.toml`.
"""
