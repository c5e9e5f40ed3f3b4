// Says every few seconds that this ticket is open here, and whether somebody writes in it; says goodbye when the
// ticket or the tab is left. Who does nothing for two minutes, or looks at another tab, is idle.
const BEAT = 15_000; // milliseconds
const PAUSE = 8_000; // without a key: no longer writing
const REST = 120_000; // without a sign of life: idle

export function connect(element) {
  const { url } = element.dataset;
  let said;
  let typedAt = -Infinity;
  let movedAt = performance.now();
  let rest;
  let isGone = false; // a page that was hidden for good hears of its hiding after its end

  function state() {
    const now = performance.now();
    const form = document.getElementById("composer");
    if (form && now - typedAt < PAUSE) return form.elements.mode.value === "comment" ? "commenting" : "replying";
    return document.hidden || now - movedAt > REST ? "idle" : "viewing";
  }

  function words(name) {
    const data = new FormData();
    data.append("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "");
    data.append("state", name);
    return data;
  }

  function say(name) {
    said = name;
    fetch(url, { method: "POST", body: words(name), keepalive: true }).catch(() => {});
  }
  function look() { if (!isGone && state() !== said) say(state()); }

  const typed = (event) => {
    if (!event.target.closest?.("#composer") || event.target.matches("[type=file], [type=radio]") || !event.isTrusted) return;
    typedAt = movedAt = performance.now();
    clearTimeout(rest);
    rest = setTimeout(look, PAUSE + 50);
    look();
  };
  const sent = (event) => { if (event.target.id === "composer") { typedAt = -Infinity; setTimeout(look); } };
  const moved = () => { movedAt = performance.now(); if (said === "idle") look(); };
  const left = () => { isGone = true; navigator.sendBeacon(url, words("gone")); };
  const back = (event) => { isGone = false; if (event.persisted) say(state()); };

  // Who has fallen silent is no longer there: only a look finds that out.
  const beat = setInterval(() => {
    if (isGone) return;
    say(state());
    if (element.childElementCount) element.dispatchEvent(new Event("look"));
  }, BEAT);
  say(state());
  document.addEventListener("input", typed);
  document.addEventListener("submit", sent);
  document.addEventListener("visibilitychange", look);
  for (const sign of ["pointermove", "keydown"]) document.addEventListener(sign, moved, { passive: true });
  addEventListener("pagehide", left);
  addEventListener("pageshow", back);
  return () => {
    clearInterval(beat);
    clearTimeout(rest);
    left();
    document.removeEventListener("input", typed);
    document.removeEventListener("submit", sent);
    document.removeEventListener("visibilitychange", look);
    for (const sign of ["pointermove", "keydown"]) document.removeEventListener(sign, moved);
    removeEventListener("pagehide", left);
    removeEventListener("pageshow", back);
  };
}
