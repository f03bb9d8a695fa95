// Makes two things quicker; every page works without it. The time zone is guessed, and the preview follows the form.
"use strict";

const form = document.getElementById("wishes");
const zone = document.getElementById("zone");
const note = document.getElementById("zone-note");

if (note && zone && zone.dataset.guess !== undefined && zone.value === "UTC") {
  const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zone.options].some((option) => option.value === guess)) {
    zone.value = guess;
    note.hidden = false;
  }
}

if (form) {
  const place = document.getElementById("preview");
  let waiting;
  let latest = 0;

  const refresh = async () => {
    const turn = ++latest;
    const fields = new URLSearchParams(new FormData(form));
    fields.delete("email"); // the preview has no use for it
    const answer = await fetch(form.dataset.preview, { method: "POST", body: fields });
    if (turn === latest && (answer.ok || answer.status === 422)) {
      place.innerHTML = await answer.text(); // ours, and escaped by the templates
    }
  };

  form.addEventListener("input", (event) => {
    if (event.target.name === "email") return;
    clearTimeout(waiting);
    waiting = setTimeout(() => refresh().catch(() => {}), 500);
  });
}
