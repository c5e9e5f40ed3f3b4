// The drawer is open while it has content. Whatever would close it or put other content in asks first when something
// was typed. Closing empties it; focus goes back to what opened it, or to the lane when that is gone.
import { isChanged, remember } from "app/unsaved";

const CONTROL = ":is(input:not([type=hidden]), select, textarea)";
const FIRST = [`[data-drawn-again] .condition-open ${CONTROL}`, "[data-drawn-again]", "[aria-invalid]", `.field:has(.field-error) ${CONTROL}`, `.field ${CONTROL}`, "h2"]; // the most wanted first

export function connect(drawer) {
  const question = document.getElementById("discard");
  let opener;
  let sent;
  let then;

  const form = () => drawer.querySelector("form[method=post]");
  const changed = () => Boolean(form()) && isChanged(form());
  const follow = new MutationObserver(() => {
    if (drawer.querySelector(".drawer-head")) filled();
    else if (drawer.open) drawer.close();
  });

  function filled() {
    if (!drawer.open) drawer.showModal();
    if (form()) remember(form());
    // On touch screens a keyboard would hide the list.
    const first = matchMedia("(hover: hover)").matches ? [".panel-search [type=search]", ...FIRST] : FIRST;
    first.map((wanted) => drawer.querySelector(wanted)).find(Boolean)?.focus();
  }

  function emptied() {
    drawer.replaceChildren();
    if (!opener) return; // the dialog itself has given the focus back
    const back = document.getElementById(opener.id);
    const lane = document.getElementById(opener.lane);
    (back ?? lane?.querySelector("a, button"))?.focus();
    opener = undefined;
  }

  // Do it at once, or after the answer when something was typed.
  function unlessChanged(act) {
    if (!changed()) return act();
    then = act;
    question.showModal();
  }

  function answered() {
    const act = question.returnValue === "discard" ? then : undefined;
    question.returnValue = "";
    then = undefined;
    act?.();
  }

  const close = () => unlessChanged(() => drawer.close());

  function clicked(event) {
    if (event.target === drawer && isOutside(event)) return close();
    if (event.target.closest("[data-close-drawer]")) {
      event.preventDefault();
      return close();
    }
    const link = event.target.closest("a[hx-target]");
    if (!link || !changed()) return undefined;
    event.preventDefault();
    event.stopPropagation();
    return unlessChanged(() => { remember(form()); link.click(); });
  }

  function isOutside({ clientX: x, clientY: y }) {
    const box = drawer.getBoundingClientRect();
    return x < box.left || x > box.right || y < box.top || y > box.bottom;
  }

  function pressed(event) {
    if (event.key !== "Escape" || event.target.closest("dialog") !== drawer) return;
    event.preventDefault();
    close();
  }

  function cancelled(event) {
    if (!changed()) return;
    event.preventDefault();
    close();
  }

  function opening(event) {
    const link = event.target.closest("[hx-target='#drawer'], .lane .switch-button");
    if (link && !drawer.contains(link)) opener = { id: link.id, lane: link.closest(".lane")?.id };
  }

  const sending = (event) => { sent = event.target; };
  const leaving = (event) => { if (changed() && form() !== sent) event.preventDefault(); };

  // A form whose answer belongs on the page is done when that has come, also when it says there what is wrong.
  function swapped({ target, detail: { ctx: { response: { status, headers } } } }) {
    const isSaid = status < 400 || !headers.get("content-type")?.startsWith("text/plain");
    if (target.matches("[data-closes]") && isSaid && status < 500) drawer.close();
  }

  // A link to a step's comments opens them.
  function asked() {
    const link = document.getElementById(location.hash.slice(1));
    if (link?.matches("a[hx-target='#drawer']")) link.click();
  }

  follow.observe(drawer, { childList: true });
  drawer.addEventListener("close", emptied);
  drawer.addEventListener("click", clicked, true);
  drawer.addEventListener("keydown", pressed);
  drawer.addEventListener("cancel", cancelled);
  drawer.addEventListener("submit", sending);
  drawer.addEventListener("htmx:after:swap", swapped);
  question.addEventListener("close", answered);
  document.addEventListener("click", opening, true);
  addEventListener("beforeunload", leaving);
  addEventListener("hashchange", asked);
  if (document.readyState === "complete") asked();
  else addEventListener("load", asked);
  return () => {
    follow.disconnect();
    document.removeEventListener("click", opening, true);
    removeEventListener("beforeunload", leaving);
    removeEventListener("hashchange", asked);
  };
}
