// How long a time is still kept, counted down. The page says until when without it.
"use strict";

const left = document.querySelector("[data-seconds]");
if (left) {
  // From now on, not until an instant: the clock of this machine may be wrong.
  const until = Date.now() + Number(left.dataset.seconds) * 1000;
  const words = left.dataset;
  const said = document.createElement("p");
  said.className = "nhsuk-u-visually-hidden";
  said.setAttribute("role", "status");
  left.after(said);
  const asked = [5, 2, 1, 0];
  const tick = () => {
    const seconds = Math.floor((until - Date.now()) / 1000);
    const minutes = Math.floor(seconds / 60);
    let text = words.last;
    if (seconds <= 0) text = words.over;
    else if (minutes === 1) text = words.one;
    else if (minutes > 1) text = words.many.replace("{n}", minutes);
    if (left.textContent === text) return;
    left.textContent = text;
    // Aloud only now and then: nobody wants to hear a clock.
    if (seconds <= 0 || asked.includes(minutes)) said.textContent = text;
    if (seconds <= 0) clearInterval(timer);
  };
  const timer = setInterval(tick, 1000);
  tick();
}
