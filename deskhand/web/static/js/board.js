// The board by keyboard and by menu; and when it is read again: at signals, but never while somebody holds a card.
import { dragCards } from "app/board-drag";
import { columnOf, columnsOf, commit, focusOn, linkOf, place, say, walk, whyNot } from "app/board-move";

const CALM = 2000; // milliseconds between two readings

export function connect(board) {
  const menu = document.getElementById("move-menu");
  const live = document.getElementById("live");
  const endDrag = dragCards(board);
  let lifted; // {card, from}
  let chosen; // the card that the menu is for
  let isStale = false;
  let pause;

  function refresh() {
    isStale = true;
    if (pause || lifted || "busy" in board.dataset || menu.matches(":popover-open")) return;
    isStale = false;
    board.dispatchEvent(new Event("refresh"));
    pause = setTimeout(() => { pause = undefined; if (isStale) refresh(); }, CALM);
  }

  function rested() {
    if (isStale) refresh();
  }

  // What was asked for before a card was taken up comes too late: it would take the card out of the hand.
  function held(event) {
    if (event.target !== board || !(lifted || "busy" in board.dataset || menu.matches(":popover-open"))) return;
    event.preventDefault();
    isStale = true;
  }

  function lift(card) {
    if (!card.dataset.move) return say(board, "sayLocked", card);
    lifted = { card, from: columnOf(card) };
    card.dataset.lifted = "";
    return say(board, "sayLifted", card);
  }

  function settle() {
    const { card, from } = lifted;
    delete card.dataset.lifted;
    lifted = undefined;
    return { card, from };
  }

  function putBack() {
    const { card, from } = settle();
    place(card, from);
    say(board, "sayBack", card);
    rested();
    return card;
  }

  function drop() {
    if (columnOf(lifted.card) === lifted.from) return putBack();
    const { card, from } = settle();
    return commit(board, card, from);
  }

  function carry(step) {
    const { card } = lifted;
    const all = columnsOf(board);
    const to = all[all.indexOf(columnOf(card)) + step];
    if (to) put(card, to);
    const reason = whyNot(lifted.from, columnOf(card));
    say(board, reason ? "sayBarred" : "sayOver", card, { number: all.indexOf(columnOf(card)) + 1, count: all.length, reason });
  }

  function put(card, column) {
    card.dataset.moving = ""; // its focus leaves and comes back
    place(card, column);
    focusOn(card);
    delete card.dataset.moving;
    column.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function pressed(event) {
    const link = event.target.closest(".card-link");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const card = link.closest("[data-card]");
    const arrow = ARROWS[event.key];
    if (event.key === " ") lifted ? drop() : lift(card);
    else if (event.key === "Enter" && lifted) drop();
    else if (event.key === "Escape" && lifted) linkOf(putBack()).focus();
    else if (arrow && lifted) carry(arrow[0]);
    else if (arrow) walk(board, card, ...arrow);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function left(event) {
    if (lifted && event.target.closest("[data-card]") === lifted.card && !("moving" in lifted.card.dataset)) putBack();
  }

  function opened(event) {
    const opener = event.target.closest(".card-move");
    if (!opener) return;
    event.preventDefault();
    chosen = opener.closest("[data-card]");
    for (const item of menu.querySelectorAll("[name=status]")) {
      const to = board.querySelector(`[data-stage="${CSS.escape(item.value)}"]`);
      item.hidden = !to; // it was deleted since the page was opened
      if (!to) continue;
      const words = item.querySelector("[data-reason]");
      words.textContent = whyNot(columnOf(chosen), to);
      words.hidden = !words.textContent;
      item.disabled = to === columnOf(chosen) || !words.hidden;
      item.querySelector("[data-here]").hidden = to !== columnOf(chosen);
    }
    const enroll = menu.querySelector("[data-enroll]");
    if (enroll) {
      const url = new URL(enroll.href);
      url.searchParams.set("ids", chosen.id.replace("card-", ""));
      enroll.href = url;
    }
    menu.showPopover();
    const { right, bottom, top } = opener.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = menu;
    menu.style.setProperty("--menu-inline", `${Math.max(8, Math.min(right - width, innerWidth - width - 8))}px`);
    menu.style.setProperty("--menu-block", `${bottom + height < innerHeight ? bottom + 4 : Math.max(8, top - height - 4)}px`);
  }

  function submitted(event) {
    event.preventDefault();
    const from = columnOf(chosen);
    const to = board.querySelector(`[data-stage="${CSS.escape(event.submitter.value)}"]`);
    linkOf(chosen).focus({ preventScroll: true });
    put(chosen, to);
    commit(board, chosen, from);
  }

  const listeners = [
    [board, "htmx:before:swap", held], [board, "keydown", pressed], [board, "focusout", left], [board, "click", opened], [board, "moved", refresh],
    [menu, "submit", submitted], [menu, "toggle", rested], [document, "pointerup", rested], [live, board.dataset.signal ?? "views", refresh], [live, "resync", refresh],
  ];
  for (const [target, ...how] of listeners) target.addEventListener(...how);
  return () => {
    endDrag();
    clearTimeout(pause);
    for (const [target, ...how] of listeners) target.removeEventListener(...how);
  };
}
