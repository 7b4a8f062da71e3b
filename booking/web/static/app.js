// Small comforts; every page works without them.
"use strict";

// Buttons that print. They are hidden where there is no script to do it.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// A choice that applies at once, in a form that also has a button. Not with the keyboard: an arrow key in a closed list
// already chooses, and nobody should be taken away by looking through it (WCAG 3.2.2).
let byKeyboard = false;
addEventListener("keydown", () => { byKeyboard = true; }, true);
addEventListener("pointerdown", () => { byKeyboard = false; }, true);
for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.addEventListener("change", () => { if (!byKeyboard) form.requestSubmit(); });
}

// Lists that people watch: <div id="…" data-live="20"> is fetched again every 20 seconds and swapped if it changed.
// Not while somebody is in it with the keyboard, nor while the window is hidden. What changed is said politely.
const living = [...document.querySelectorAll("[data-live][id]")];
if (living.length) {
  const said = document.createElement("p");
  said.className = "nhsuk-u-visually-hidden";
  said.setAttribute("role", "status");
  document.body.append(said);
  const seconds = Math.max(5, Math.min(...living.map((part) => Number(part.dataset.live) || 20)));
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "manual" });
      // Elsewhere or refused: the session is over, and what it showed must not stay on the screen.
      if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) location.replace(location.pathname + location.search);
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live][id]")) {
        const other = fresh.getElementById(part.id);
        if (!other || part.contains(document.activeElement) || inUse(part, other) || plain(part) === plain(other)) continue;
        part.replaceWith(document.adoptNode(other));
        other.classList.add("app-fresh");
        said.textContent = other.dataset.liveSaid || "The list on this page has changed.";
      }
    } catch { /* no network for a moment: the next look finds what changed */ }
  };
  // What somebody has typed, ticked or opened there and not sent yet: swapping it would lose it.
  const inUse = (part, other) =>
    part.querySelectorAll("details[open]").length > other.querySelectorAll("details[open]").length ||
    [...part.querySelectorAll("input, textarea, select")].some((box) => {
      if (!box.options) return box.value !== box.defaultValue || Boolean(box.checked) !== Boolean(box.defaultChecked);
      const given = [...box.options].some((one) => one.defaultSelected);
      return given ? [...box.options].some((one) => one.selected !== one.defaultSelected) : box.selectedIndex > 0;
    });
  // CSRF tokens are made anew for each page: they are no change.
  const plain = (part) => part.innerHTML.replace(/name="csrf_token" value="[^"]*"/g, "");
  setInterval(look, seconds * 1000);
}
