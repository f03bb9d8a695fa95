// Brings new mail into the list without loading the page again, so that scroll position and focus stay.
// The page works without this; then the browser reloads it from time to time.
"use strict";

const PERIOD = 4000;

async function refresh() {
  if (document.hidden) return;
  const gone = document.getElementById("gone");
  try {
    const answer = await fetch("/");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const shown = document.querySelector("main");
    const fresh = page.querySelector("main");
    gone.hidden = true;
    if (shown.innerHTML === fresh.innerHTML) return;
    const focused = document.activeElement.getAttribute("href");
    shown.replaceWith(fresh);
    document.title = page.title;
    if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  } catch {
    gone.hidden = false;
  }
}

setInterval(refresh, PERIOD);
document.addEventListener("visibilitychange", refresh);
