// The list follows the open ticket; the phone shows one pane; the views and the details can be folded away.
import "app/editor"; // at hand before a value is edited, or its first key would be lost

export function connect(inbox) {
  const swapped = (event) => {
    const ticket = document.getElementById("ticket");
    if (event.detail.ctx?.target !== ticket && event.detail.ctx?.target?.id !== "ticket") return;
    inbox.dataset.pane = ticket.dataset.ticket ? "ticket" : "list";
    mark(document.getElementById(ticket.dataset.row));
    if (event.detail.ctx.sourceEvent?.detail === 0) document.getElementById("subject")?.focus({ preventScroll: true });
  };
  const clicked = (event) => {
    if (event.target.closest("[data-toggle-properties]")) fold(inbox);
    if (event.target.closest("[data-toggle-views]")) foldViews();
  };

  document.addEventListener("htmx:after:swap", swapped);
  inbox.addEventListener("click", clicked);
  if (localStorage.getItem("details") === "closed") inbox.dataset.props = "closed";
  document.body.dataset.views = localStorage.getItem("views") ?? "open";
  const led = () => reveal(inbox);
  reveal(inbox);
  addEventListener("hashchange", led);
  return () => {
    document.removeEventListener("htmx:after:swap", swapped);
    removeEventListener("hashchange", led);
  };
}

function mark(row) {
  document.querySelector("#tickets .row-link[aria-current]")?.removeAttribute("aria-current");
  if (!row) return;
  row.querySelector(".row-link").setAttribute("aria-current", "true");
  row.removeAttribute("data-unread");
  row.querySelector(".unread-dot + .sr")?.remove();
  row.querySelector(".unread-dot")?.remove();
  row.scrollIntoView({ block: "nearest" });
}

// A notification leads to a task: the details are opened around it, wherever they are, and it has the focus.
function reveal(inbox) {
  const details = document.getElementById("properties");
  const wanted = location.hash && document.getElementById(location.hash.slice(1));
  if (!wanted || !details?.contains(wanted)) return;
  inbox.dataset.props = "open";
  for (let part = wanted.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  if (!wanted.checkVisibility()) details.showPopover();
  wanted.scrollIntoView({ block: "center" });
  wanted.querySelector("a, button")?.focus({ preventScroll: true });
}

function foldViews() {
  const { dataset } = document.body;
  dataset.views = dataset.views === "closed" ? "open" : "closed";
  localStorage.setItem("views", dataset.views);
}

function fold(inbox) {
  inbox.dataset.props = inbox.dataset.props === "closed" ? "open" : "closed";
  localStorage.setItem("details", inbox.dataset.props);
}
