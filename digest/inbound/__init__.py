"""Incoming mail: what comes back, complaints, and leaving or joining by mail.

A receiver for the mail of one domain (`mail_domain`), meant to stand behind a real mail server, which hands it over by
LMTP or SMTP on loopback. It knows its addresses by their signatures, so that mail to any other is refused at RCPT; and
what it took and nobody understood, it keeps for the operator.

* `addresses` which addresses there are, and whose
* `taking`    what is done with a mail
* `server`    the receiver
"""

from digest.inbound.server import receiving, serving

__all__ = ["receiving", "serving"]
