// Rows that somebody puts in order: by the handle (pointer or arrow keys) and by the buttons; new ones come from a
// template. A form sends its rows in the order of the page, so order needs no field of its own; one with data-saves
// does so by itself after each move.
import { complain } from "app/toast";

const ROW = "[data-row]";
const KEY = "__key__";

export function connect(root) {
  const lists = () => [...root.querySelectorAll("[data-rows]")];
  const rowsOf = (list) => [...list.querySelectorAll(ROW)];
  const said = root.querySelector("[data-said]");
  let made = 0;
  let drag;

  let saving = Promise.resolve();
  function save() {
    if (root.dataset.saves === undefined) return;
    saving = saving.then(() => fetch(root.action, { method: "POST", body: new FormData(root), redirect: "manual" }))
      .then((answer) => { if (!answer.ok && answer.type !== "opaqueredirect") throw new Error(answer.statusText); })
      .catch(() => complain(root.dataset.failed));
  }

  function tell(row) {
    save();
    const rows = rowsOf(row.closest("[data-rows]"));
    if (!said) return;
    said.textContent = said.dataset.text.replace("{place}", rows.indexOf(row) + 1).replace("{count}", rows.length);
  }

  // One place up or down; at the end of a list into the next one.
  function step(row, isDown, focused) {
    const all = lists();
    const list = row.closest("[data-rows]");
    const rows = rowsOf(list);
    const other = rows[rows.indexOf(row) + (isDown ? 1 : -1)];
    const neighbor = all[all.indexOf(list) + (isDown ? 1 : -1)];
    if (other) other[isDown ? "after" : "before"](row);
    else if (neighbor && isDown) neighbor.prepend(row);
    else if (neighbor) (rowsOf(neighbor).at(-1)?.after(row) ?? neighbor.prepend(row));
    focused.focus();
    tell(row);
  }

  function fill(node, key) {
    for (const { name, value } of [...(node.attributes ?? [])]) {
      if (value.includes(KEY)) node.setAttribute(name, value.replaceAll(KEY, key));
    }
    for (const child of node.children) fill(child, key);
  }

  function add(button) {
    const source = root.querySelector(`template[data-new="${button.dataset.add}"]`) ?? root.querySelector("template[data-new]");
    const part = source.content.cloneNode(true);
    fill(part, `new${(made += 1)}`);
    const row = part.firstElementChild;
    const place = button.dataset.into ? document.getElementById(button.dataset.into) : lists().at(-1);
    const last = rowsOf(place).at(-1);
    if (last) last.after(row);
    else place.prepend(row);
    (row.querySelector("[data-first]") ?? row.querySelector("input:not([type=hidden]), select"))?.focus();
  }

  function clicked(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const row = button.closest(ROW);
    if (button.matches("[data-add]")) add(button);
    else if (row && button.matches("[data-move]")) {
      event.preventDefault();
      step(row, button.dataset.move === "down", button);
    } else if (row && button.matches("[data-remove]")) {
      const next = row.nextElementSibling?.matches(ROW) ? row.nextElementSibling : row.previousElementSibling;
      row.remove();
      (next?.querySelector("[data-remove], [data-grip]") ?? root.querySelector("[data-add]"))?.focus();
    }
  }

  function pressed(event) {
    if (event.key === "Escape" && drag) return end(false);
    const grip = event.target.closest("[data-grip]");
    if (!grip || !["ArrowUp", "ArrowDown"].includes(event.key)) return undefined;
    event.preventDefault();
    return step(grip.closest(ROW), event.key === "ArrowDown", grip);
  }

  function began(event) {
    const grip = event.target.closest("[data-grip]");
    if (!grip || event.button) return;
    event.preventDefault();
    grip.focus();
    grip.setPointerCapture(event.pointerId);
    drag = { row: grip.closest(ROW), grip };
    drag.row.dataset.dragged = "";
  }

  function unmark() {
    root.querySelectorAll("[data-drop]").forEach((one) => one.removeAttribute("data-drop"));
  }

  function moved(event) {
    if (!drag) return;
    unmark();
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const over = under?.closest(ROW);
    const list = under?.closest("[data-rows]");
    drag.place = undefined;
    if (!list || !root.contains(list)) return;
    if (over && over !== drag.row) {
      const box = over.getBoundingClientRect();
      const side = event.clientY < box.top + box.height / 2 ? "before" : "after";
      over.dataset.drop = side;
      drag.place = () => over[side](drag.row);
    } else if (!over && !rowsOf(list).length) {
      list.dataset.drop = "into";
      drag.place = () => list.prepend(drag.row);
    }
  }

  function end(isDropped) {
    if (!drag) return;
    const { row, grip, place } = drag;
    unmark();
    if (isDropped) place?.();
    delete row.dataset.dragged;
    drag = undefined;
    grip.focus();
    if (isDropped && place) tell(row);
  }

  function changed(event) {
    const picked = event.target.closest("[data-tone-of]");
    if (picked) picked.closest("[data-tone]").dataset.tone = picked.value;
  }

  const dropped = () => end(true);
  const left = () => end(false);
  const heard = {
    click: clicked, keydown: pressed, pointerdown: began, pointermove: moved, pointerup: dropped, pointercancel: left, change: changed,
  };
  for (const [name, act] of Object.entries(heard)) root.addEventListener(name, act);
  return () => { for (const [name, act] of Object.entries(heard)) root.removeEventListener(name, act); };
}
