"""The pages: sign up, confirm, tune, pause, leave, look back; and what a monitor asks for.

GET and HEAD change nothing, whoever sends them: mail scanners open every link, run its script and follow redirects. A
page that acts has a button, and the button POSTs. There are no cookies and no sessions; every page of a reader hangs on
a signed link, and what a link may do depends on its purpose and its age.

* `guard`    what holds for every request: headers, where a POST may come from, what is logged
* `visit`    one request, as the pages see it: the form, the link, the network
* `forms`    fields of a form become a profile, and back
* `languages`  which language a page speaks
* `pages`    templates become answers
* `joining`, `tuning`, `leaving`, `feedback`, `reading`, `watching`: the pages
* `server`   uvicorn in a thread
"""

from digest.web.site import build

__all__ = ["build"]
