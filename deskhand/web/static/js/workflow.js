// The panel beside the canvas of a workflow: what it is about, where the focus goes, and that nothing typed in it is
// lost. The server draws everything; workflow-canvas.js moves the paper.
import { isChanged, remember } from "app/unsaved";

const CONTROL = ":is(input:not([type=hidden]), select, textarea)";
const FIRST = [".panel-search [type=search]", "[data-drawn-again]", "[aria-invalid]", `.condition-open ${CONTROL}`, `.field ${CONTROL}`, "h2"];

export function connect(editor) {
  const panel = document.getElementById("panel");
  let next; // a link to follow once what was typed is saved
  let opener; // the id of what opened the panel

  // ── the panel ──

  const form = () => panel.querySelector(".panel-form");
  const isFilled = () => Boolean(panel.querySelector(".panel-head"));
  const nodeOf = (id) => document.getElementById(`node-${id}`);

  function mark() {
    const path = location.pathname.match(/\/(?:steps\/(\d+)|(trigger))/);
    for (const node of editor.querySelectorAll(".node-main[aria-current]")) node.removeAttribute("aria-current");
    if (isFilled() && path) nodeOf(path[1] ?? path[2])?.setAttribute("aria-current", "true");
  }

  function filled() {
    if (isFilled()) {
      if (form()) remember(form());
      FIRST.map((wanted) => panel.querySelector(wanted)).find(Boolean)?.focus({ preventScroll: true });
    } else if (next) {
      document.getElementById(next)?.click();
    } else {
      const to = panel.querySelector("[data-at]")?.dataset.at ?? opener;
      (document.getElementById(to) ?? nodeOf("trigger"))?.focus();
    }
    next = undefined;
    setTimeout(mark);
  }

  function close() {
    panel.replaceChildren();
    history.pushState(null, "", document.getElementById("editor").dataset.url);
  }

  function clicked(event) {
    if (event.target.closest("[data-close-panel]")) {
      event.preventDefault();
      close();
    }
  }

  // What was typed is saved before another step is opened.
  function leaving(event) {
    const link = event.target.closest("[data-panel]");
    if (!link) return;
    if (!panel.contains(link)) opener = link.id;
    if (!form() || panel.contains(link) || !isChanged(form())) return;
    event.preventDefault();
    event.stopPropagation();
    next = link.id;
    form().requestSubmit();
  }

  function pressed(event) {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "z" && !isTyping) {
      event.preventDefault();
      document.getElementById(event.shiftKey ? "wf-redo" : "wf-undo")?.click();
    } else if (event.key === "Escape" && panel.contains(event.target) && isFilled()) close();
  }

  const watch = new MutationObserver(filled);
  watch.observe(panel, { childList: true });
  editor.addEventListener("click", leaving, true);
  editor.addEventListener("click", clicked);
  document.addEventListener("keydown", pressed);
  if (form()) remember(form());
  return () => { watch.disconnect(); document.removeEventListener("keydown", pressed); };
}
