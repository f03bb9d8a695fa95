// Asks twice a second whether the mail was written anew, and shows it where the reader had scrolled to.
"use strict";

const PERIOD = 500;
const at = (id) => document.getElementById(id);
let shown = "";

function show(view) {
  const wanted = `${at("part").value}?${view.version}`;
  document.title = at("subject").textContent = view.subject || "digest preview";
  at("problems").textContent = view.problems.join("\n");
  at("problems").hidden = view.problems.length === 0;
  at("mail").classList.toggle("old", view.problems.length > 0);
  at("state").textContent = view.problems.length ? "a template is wrong; this is the mail before" : view.size;
  if (wanted === shown || !view.subject) return;
  const top = at("mail").contentWindow.scrollY;
  at("mail").addEventListener("load", () => at("mail").contentWindow.scrollTo(0, top), { once: true });
  at("mail").src = shown = wanted;
}

async function refresh() {
  try {
    show(await (await fetch("view")).json());
  } catch {
    at("state").textContent = "the preview has ended";
  }
}

at("part").addEventListener("change", refresh);
at("width").addEventListener("change", () => {
  at("mail").style.width = at("width").value ? `${at("width").value}px` : "";
});
setInterval(refresh, PERIOD);
refresh();
