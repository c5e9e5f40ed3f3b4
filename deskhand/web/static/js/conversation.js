// A ticket opens where the unread part starts, else at its end. New messages are announced; they scroll
// into view only for somebody who is at the end already.
const NEAR = 400; // pixels from the end that still count as being there
const MARGIN = 16; // pixels above the line where the unread part starts

export function connect(pane) {
  const seen = new Set(ids(pane));
  let atEnd = true;

  const watch = () => { atEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR; };
  const swapped = () => {
    const fresh = [...pane.querySelectorAll("[data-message]")].filter((message) => !seen.has(message.dataset.message));
    if (!fresh.length) return;
    fresh.forEach((message) => seen.add(message.dataset.message));
    document.getElementById("announce").textContent = fresh.at(-1).dataset.announce;
    if (!atEnd) return;
    pane.scrollTo({ top: pane.scrollHeight, behavior: "smooth" });
    hasSeen(fresh.at(-1).dataset.message);
  };

  pane.scrollTop = Math.min(pane.scrollHeight, startOfUnread(pane));
  watch();
  pane.addEventListener("scroll", watch, { passive: true });
  document.addEventListener("htmx:after:swap", swapped);
  return () => document.removeEventListener("htmx:after:swap", swapped);
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
