// The drawer is open while it has content. Whatever would close it or put other content in asks first when something
// was typed. Closing empties it; focus goes back to what opened it, or to the lane when that is gone.
import { isChanged, remember } from "app/unsaved";

const CONTROL = ":is(input:not([type=hidden]), select, textarea)";
const FIRST = [".panel-search [type=search]", `[data-drawn-again] .condition-open ${CONTROL}`, "[data-drawn-again]", "[aria-invalid]", `.field:has(.field-error) ${CONTROL}`, `.field ${CONTROL}`, "h2"]; // the most wanted first

export function connect(drawer) {
  const question = document.getElementById("discard");
  let opener;
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
    FIRST.map((wanted) => drawer.querySelector(wanted)).find(Boolean)?.focus();
  }

  function emptied() {
    drawer.replaceChildren();
    const back = document.getElementById(opener?.id);
    const lane = document.getElementById(opener?.lane);
    (back ?? lane?.querySelector("a, button"))?.focus();
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

  const leaving = (event) => { if (changed()) event.preventDefault(); };

  follow.observe(drawer, { childList: true });
  drawer.addEventListener("close", emptied);
  drawer.addEventListener("click", clicked, true);
  drawer.addEventListener("keydown", pressed);
  drawer.addEventListener("cancel", cancelled);
  question.addEventListener("close", answered);
  document.addEventListener("click", opening, true);
  addEventListener("beforeunload", leaving);
  return () => {
    follow.disconnect();
    document.removeEventListener("click", opening, true);
    removeEventListener("beforeunload", leaving);
  };
}
