// Deciding about referrals: only the boxes that go with the decision, and the keyboard. All of it works without.
"use strict";

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;

const form = document.querySelector("form[data-decide]");
if (form) {
  const radios = [...form.querySelectorAll("input[name=decision]")];
  const parts = [...form.querySelectorAll("[data-for]")];
  const show = () => {
    const chosen = radios.find((radio) => radio.checked);
    for (const part of parts) part.hidden = !chosen || !part.dataset.for.split(" ").includes(chosen.value);
  };
  form.addEventListener("change", show);
  show();

  const comment = form.querySelector("[name=comment]");
  comment.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });

  // Single-key shortcuts: not in a box, not with a modifier, and only as long as they are wanted (WCAG 2.1.4).
  const help = document.querySelector("[data-keys]");
  const wanted = document.querySelector("[data-use-keys]");
  if (help && wanted) {
    const NAME = "desk-keys";
    const kept = () => { try { return localStorage.getItem(NAME) !== "off"; } catch { return true; } };
    wanted.checked = kept();
    wanted.addEventListener("change", () => {
      try { localStorage.setItem(NAME, wanted.checked ? "on" : "off"); } catch { /* for this page only, then */ }
    });
    const typing = (at) => at.isContentEditable || ["TEXTAREA", "SELECT"].includes(at.tagName)
      || (at.tagName === "INPUT" && !["radio", "checkbox", "submit", "button"].includes(at.type));
    const pick = (radio) => {
      radio.checked = true;
      radio.dispatchEvent(new Event("change", { bubbles: true }));
      const first = parts.find((part) => !part.hidden && !part.dataset.for.includes("ACCEPT"));
      (first ? first.querySelector("select") : comment).focus();
    };
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && typing(event.target)) event.target.blur();
      if (!wanted.checked || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) return;
      if (event.key === "?") {
        help.open = !help.open;
        help.querySelector("summary").focus();
        return;
      }
      const at = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
      if (!at) return;
      event.preventDefault();
      if (at.tagName === "A") at.click();
      else pick(at);
    });
  }
}
