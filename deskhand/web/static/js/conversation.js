// A ticket opens where the unread part starts, else at its end. New messages are announced; they scroll
// into view only for somebody who is at the end already.
const NEAR = 400; // pixels from the end that still count as being there
const MARGIN = 16; // pixels above the line where the unread part starts
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const behavior = () => (calm.matches ? "auto" : "smooth");

export function connect(pane) {
  const seen = new Set(ids(pane));
  let atEnd = true;
  const line = lineOfUnread(pane);
  let waiting;
  let isOwn = false;

  const watch = () => { atEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR; };
  const jump = () => document.querySelector("#composer [data-jump]");
  const offer = (message) => { waiting = message; if (jump()) jump().hidden = !message; };
  // The line stays while the ticket is open, though the server no longer knows it.
  const keepLine = () => {
    if (!line || pane.contains(line.element)) return;
    const before = document.getElementById(line.before);
    if (before && pane.contains(before)) before.before(line.element);
  };
  const scrolled = () => { watch(); if (atEnd) offer(undefined); };
  const jumped = (event) => {
    if (!event.target.closest("[data-jump]")) return;
    const message = waiting;
    offer(undefined);
    message?.scrollIntoView({ block: "start", behavior: behavior() });
    if (message) hasSeen(ids(pane).at(-1));
  };
  const toEnd = () => pane.scrollTo({ top: pane.scrollHeight, behavior: behavior() });
  const sending = (event) => { isOwn = event.target.id === "composer"; };
  const swapped = () => {
    keepLine();
    const own = isOwn;
    isOwn = false;
    if (own) toEnd();
    const fresh = [...pane.querySelectorAll("[data-message]")].filter((message) => !seen.has(message.dataset.message));
    if (!fresh.length) return undefined;
    fresh.forEach((message) => seen.add(message.dataset.message));
    document.getElementById("announce").textContent = fresh.at(-1).dataset.announce;
    if (!atEnd && !own) return offer(waiting ?? fresh[0]);
    toEnd();
    return hasSeen(fresh.at(-1).dataset.message);
  };

  pane.scrollTop = Math.min(pane.scrollHeight, startOfUnread(pane));
  watch();
  pane.addEventListener("scroll", scrolled, { passive: true });
  document.addEventListener("click", jumped);
  document.addEventListener("submit", sending);
  document.addEventListener("htmx:after:swap", swapped);
  return () => {
    document.removeEventListener("click", jumped);
    document.removeEventListener("submit", sending);
    document.removeEventListener("htmx:after:swap", swapped);
  };
}

function lineOfUnread(pane) {
  const element = pane.querySelector(".divider--new");
  return element && { element, before: element.nextElementSibling?.id };
}

function startOfUnread(pane) {
  const divider = pane.querySelector(".divider--new");
  if (!divider) return Infinity;
  return divider.getBoundingClientRect().top - pane.getBoundingClientRect().top + pane.scrollTop - MARGIN;
}

const ids = (pane) => [...pane.querySelectorAll("[data-message]")].map((message) => message.dataset.message);

function hasSeen(id) {
  const field = document.querySelector("#composer [name=last_seen_message_id]");
  if (field && Number(id) > Number(field.value)) field.value = id;
}
