// Selecting in a list: one by one, a range with Shift, all that are shown, and X for the one at hand.
export function connect(form) {
  const list = form.closest(".pane-list, .ticked-part");
  const counter = form.querySelector("[data-count]");
  const allShown = form.querySelector("[data-all-shown]");
  const none = counter.textContent;
  let last = null;
  let shift = false;

  const isBox = (field) => field.form === form && field.name === "ids";
  const boxes = () => [...form.elements].filter(isBox);

  function tell() {
    const all = boxes();
    const chosen = all.filter((box) => box.checked).length;
    counter.textContent = chosen ? counter.dataset.words.replace("#", chosen) : none;
    allShown.checked = chosen > 0 && chosen === all.length;
    allShown.indeterminate = chosen > 0 && chosen < all.length;
  }

  function choose(box, on, isRange) {
    const all = boxes();
    const from = isRange ? all.indexOf(last) : -1;
    const to = all.indexOf(box);
    const range = from < 0 ? [box] : all.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const one of range) one.checked = on;
    last = box;
    tell();
  }

  function clear() {
    for (const box of [...boxes(), ...form.querySelectorAll("[name=all]")]) box.checked = false;
    last = null;
    tell();
  }

  function current() {
    const row = document.activeElement?.closest?.(".row") ?? list.querySelector(".row:has([aria-current])") ?? list.querySelector(".row");
    return row?.querySelector(".row-check input");
  }

  const clicked = (event) => {
    const { target } = event;
    if (isBox(target)) return choose(target, target.checked, event.shiftKey);
    if (target === allShown) { for (const box of boxes()) box.checked = allShown.checked; return tell(); }
    if (target.closest("[data-clear]")) return clear();
    if (target.closest("[data-select-current]")) {
      const box = current();
      if (box) choose(box, shift || !box.checked, shift);
    }
  };
  const pressed = (event) => {
    shift = event.shiftKey;
    if (event.key === "Escape" && list.contains(event.target) && !event.target.closest("[popover]")) clear();
  };
  // What was done with them is done; one whose request failed is still selected.
  const swapped = (event) => {
    const { sourceElement: source, response } = event.detail.ctx ?? {};
    const isOurs = source?.getAttribute("action") === form.getAttribute("action"); // also from the drawer
    if (isOurs && response?.status < 400) clear();
    else tell();
  };

  list.addEventListener("click", clicked);
  document.addEventListener("keydown", pressed, true);
  document.addEventListener("htmx:after:swap", swapped);
  tell();
  return () => {
    list.removeEventListener("click", clicked);
    document.removeEventListener("keydown", pressed, true);
    document.removeEventListener("htmx:after:swap", swapped);
  };
}
