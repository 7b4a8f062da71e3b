// The day's list by keyboard: keys work only while the cursor is on one of its buttons.
"use strict";

for (const hint of document.querySelectorAll(".clinic-keys")) hint.hidden = false;
document.addEventListener("keydown", (event) => {
  const form = event.target.closest?.(".clinic-tick");
  if (!form || event.ctrlKey || event.altKey || event.metaKey || event.target.matches("textarea, input")) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    const all = [...document.querySelectorAll(".clinic-tick")];
    const next = all[all.indexOf(form) + step]?.querySelector("button");
    if (next) { event.preventDefault(); next.focus(); }
    return;
  }
  const button = form.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button) { event.preventDefault(); button.click(); }
});
