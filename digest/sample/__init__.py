"""A built-in, invented day of papers, in the exact formats of the upstreams, for machines without a network.

Every function is pure: dates are shifted so that the sample day is the `today` that is given. `digest.sample.upstream`
serves the answers on loopback, so that the sources read them unchanged. What is in it, and how: README.md beside this.
"""

from digest.sample.arxiv import arxiv_query, arxiv_rss
from digest.sample.huggingface import huggingface

__all__ = ["arxiv_query", "arxiv_rss", "huggingface"]
