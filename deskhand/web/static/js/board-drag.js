// Dragging cards with the mouse, or with a finger after a moment's rest; the list scrolls under any other touch.
import { columnOf, columnsOf, commit, place, whyNot } from "app/board-move";
import { complain } from "app/toast";

const FAR = 6; // pixels that make a press a drag
const REST = 320; // milliseconds until a finger has taken hold
const EDGE = 48; // pixels at the board's ends where it begins to scroll

export function dragCards(board) {
  let held; // {card, x, y, id, ghost, timer, over}

  function pressed(event) {
    const card = event.target.closest("[data-card]");
    if (!card || event.button !== 0 || held || event.target.closest(".card-move")) return;
    held = { card, x: event.clientX, y: event.clientY, id: event.pointerId, isTouch: event.pointerType !== "mouse" };
    if (held.isTouch) held.timer = setTimeout(lift, REST);
  }

  function lift() {
    const { card, x, y } = held;
    if (!card.dataset.move) {
      complain(board.dataset.sayLocked);
      return letGo();
    }
    const box = card.getBoundingClientRect();
    const ghost = card.cloneNode(true);
    ghost.removeAttribute("id");
    ghost.classList.add("ticket-card--ghost");
    ghost.style.inlineSize = `${box.width}px`;
    held = { ...held, ghost, dx: x - box.left, dy: y - box.top };
    document.body.append(ghost);
    card.dataset.leaving = "";
    for (const column of columnsOf(board)) if (whyNot(columnOf(card), column)) column.dataset.barred = "";
    board.dataset.busy = "";
    board.dataset.dragging = "";
    follow(x, y);
    return undefined;
  }

  function moved(event) {
    if (!held || event.pointerId !== held.id) return;
    const { clientX: x, clientY: y } = event;
    const isFar = Math.hypot(x - held.x, y - held.y) > FAR;
    if (!held.ghost && isFar && held.isTouch) return letGo();
    if (!held.ghost && isFar) lift();
    if (held?.ghost) follow(x, y);
  }

  function follow(x, y) {
    held.ghost.style.translate = `${x - held.dx}px ${y - held.dy}px`;
    const over = document.elementFromPoint(x, y)?.closest("[data-stage]");
    if (over !== held.over) {
      delete held.over?.dataset.over;
      if (over) over.dataset.over = "";
      held.over = over;
    }
    const { left, right } = board.getBoundingClientRect();
    if (x < left + EDGE) board.scrollBy(-EDGE / 4, 0);
    else if (x > right - EDGE) board.scrollBy(EDGE / 4, 0);
  }

  function released(event) {
    if (!held || event.pointerId !== held.id) return;
    const { card, ghost, over } = held;
    letGo();
    if (!ghost) return;
    addEventListener("click", stop, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", stop, { capture: true }));
    const from = columnOf(card);
    if (!over || over === from) return;
    place(card, over);
    commit(board, card, from);
  }

  function letGo() {
    if (!held) return;
    clearTimeout(held.timer);
    delete held.over?.dataset.over;
    delete held.card.dataset.leaving;
    if (held.ghost) {
      held.ghost.remove();
      delete board.dataset.busy;
      delete board.dataset.dragging;
      for (const column of columnsOf(board)) delete column.dataset.barred;
    }
    held = undefined;
  }

  function stop(event) {
    event.preventDefault();
    event.stopPropagation();
  }

  const cancelled = (event) => { if (event.pointerId === held?.id) letGo(); };
  const escaped = (event) => { if (event.key === "Escape" && held?.ghost) { stop(event); letGo(); } };
  const still = (event) => { if (held?.ghost) event.preventDefault(); };
  const dragging = (event) => { if (event.target.closest?.("[data-card]")) event.preventDefault(); };
  const listeners = [
    [board, "pointerdown", pressed], [document, "pointermove", moved], [document, "pointerup", released],
    [document, "pointercancel", cancelled], [document, "keydown", escaped, true], [board, "touchmove", still, { passive: false }],
    [board, "contextmenu", still], [board, "dragstart", dragging],
  ];
  for (const [target, ...how] of listeners) target.addEventListener(...how);
  return () => {
    letGo();
    for (const [target, ...how] of listeners) target.removeEventListener(...how);
  };
}
