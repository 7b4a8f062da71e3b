// Referring without reloading: a number typed, a clinic chosen, and the patient and the services appear below.
// Without this, the buttons "Find patient" and "Show services" do the same with a new page.
"use strict";

const form = document.querySelector("[data-refer]");
if (form) {
  const said = form.querySelector("[data-said]");
  let asked = 0;
  const typed = (part) => JSON.stringify([...part.querySelectorAll("input:not([type=hidden],[type=file]), select, textarea")]
    .map((one) => [one.name, one.type === "checkbox" || one.type === "radio" ? one.checked : one.value]));
  const look = async () => {
    const mine = ++asked;
    const body = new FormData(form);
    body.set("do", "look");
    body.delete("letter");
    const parts = [...form.querySelectorAll("[id^=part-]")].map((part) => [part, typed(part)]);
    let behind = false;
    try {
      const answer = await fetch(form.action, { method: "POST", body, redirect: "error" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== asked) return;
      said.textContent = "";
      for (const [part, before] of parts) {
        const fresh = page.getElementById(part.id);
        if (!fresh || part.contains(document.activeElement)) continue;
        if (typed(part) !== before) { behind = true; continue; } // the answer does not know what was typed meanwhile
        if (fresh.dataset.words !== part.dataset.words) said.textContent += ` ${fresh.dataset.words}`;
        part.dataset.words = fresh.dataset.words;
        part.replaceChildren(...fresh.childNodes);
      }
    } catch { /* no network for a moment: the buttons are still there */ }
    if (behind) look();
  };
  form.addEventListener("change", (event) => {
    const name = event.target.name;
    if (name === "clinic" || name === "priority" || name === "practitioner") look();
  });
  let last = "";
  form.elements.namedItem("nhs_number")?.addEventListener("input", (event) => {
    const digits = event.target.value.replace(/\D/g, "");
    if (digits.length === 10 && digits !== last) look();
    last = digits;
  });
}

// A file may be dropped anywhere on its box.
for (const box of document.querySelectorAll("[data-drop]")) {
  const input = box.querySelector("input[type=file]");
  for (const name of ["dragover", "dragleave", "drop"]) {
    box.addEventListener(name, (event) => {
      if (name !== "dragleave") event.preventDefault();
      box.classList.toggle("app-drop--over", name === "dragover");
      if (name === "drop" && event.dataTransfer?.files.length) {
        input.files = event.dataTransfer.files;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  }
}
