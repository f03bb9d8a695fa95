"""What readers do for themselves: sign up, confirm, tune, pause, leave, look back, take their data along.

It stands beside the corridor and knows the rooms; pages, incoming mail and commands come here, so that leaving by
mail and leaving by button are the same step. Every function takes the `Desk` and gives back a value; nothing here knows
of HTTP.

* `signup`       the form, the confirmation, "it was not me"; what keeps strangers from abusing it
* `preferences`  topics, schedule, pause
* `leaving`      the end, and fewer instead of none
* `opinions`     more, less, save, hide an author
* `reading`      preview, trending, archive, reading list; `citations` and `feeds` are forms of it
* `rights`       everything about me, and nothing about me; what is forgotten by itself
* `letters`      writes and sends the mails that are no digests
* `numbers`      for the operator
"""

from digest.subscription.desk import Desk

__all__ = ["Desk"]
