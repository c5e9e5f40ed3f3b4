// A card goes where it is put at once; what the server refuses comes back with its reason.
import { complain } from "app/toast";

const SHAKEN = 1600; // milliseconds that a refused card stays marked

export const columnsOf = (board) => [...board.querySelectorAll("[data-stage]")];
export const columnOf = (card) => card.closest("[data-stage]");
export const linkOf = (card) => card.querySelector(".card-link");

// Why the rules keep cards of one column out of another; empty where they don't.
export const whyNot = (from, to) => JSON.parse(from.dataset.reasons)[to.dataset.stage] ?? "";

// Where a card's focus is at home: in a collapsed column nothing shows but its opener.
export function focusOn(card, options) {
  const column = columnOf(card);
  const isHidden = "collapsed" in column.dataset && !("lifted" in card.dataset);
  (isHidden ? column.querySelector(".board-turn") : linkOf(card)).focus(options);
}

export function say(board, what, card, more = {}) {
  const values = { ticket: linkOf(card).textContent, status: columnOf(card).querySelector("h2").textContent, ...more };
  document.getElementById("announce").textContent = board.dataset[what].replace(/\{(\w+)\}/g, (_all, name) => values[name]);
}

function isLater(one, other) {
  const [at, id] = one.dataset.card.split("-").map(Number);
  const [otherAt, otherId] = other.dataset.card.split("-").map(Number);
  return at === otherAt ? id > otherId : at > otherAt;
}

// Into the column, where its latest activity belongs.
export function place(card, column) {
  const list = column.querySelector(".board-cards");
  const below = [...list.querySelectorAll("[data-card]")].find((other) => other !== card && isLater(card, other));
  list.insertBefore(card, below ?? list.querySelector(".board-more"));
}

function count(column, step) {
  const figure = column.querySelector("[data-count]");
  if (/^\d+$/.test(figure.textContent)) figure.textContent = Number(figure.textContent) + step;
}

async function send(card, from, to) {
  const body = new FormData(document.getElementById("move-menu"));
  body.set("status", to.dataset.stage);
  body.set("from", from.dataset.stage);
  body.set("part", "toast");
  const { failed, unreachable } = document.getElementById("toasts").dataset;
  const headers = { "HX-Request": "true" };
  const answer = await fetch(card.dataset.move, { method: "POST", body, headers }).catch(() => { throw new Error(unreachable); });
  const text = await answer.text();
  if (answer.ok || answer.status === 422) return { text, asks: !answer.ok };
  throw new Error(answer.headers.get("Content-Type")?.startsWith("text/plain") ? text : failed);
}

const parsed = (text) => document.adoptNode(new DOMParser().parseFromString(text, "text/html").body.firstElementChild);

function offerWayBack(text) {
  const toast = parsed(text);
  document.getElementById("toasts").append(toast);
  window.htmx.process(toast);
}

// The status asks for something first: the drawer opens by itself.
function ask(text) {
  const drawer = document.getElementById("drawer");
  drawer.replaceChildren(...parsed(text).childNodes);
  window.htmx.process(drawer);
}

function refuse(card, reason) {
  card.dataset.refused = "";
  card.scrollIntoView({ block: "nearest", inline: "nearest" });
  setTimeout(() => delete card.dataset.refused, SHAKEN);
  complain(reason);
}

// `card` stands in its new column already, and came out of `from`.
export async function commit(board, card, from) {
  const to = columnOf(card);
  const hadFocus = to.contains(document.activeElement);
  const reason = whyNot(from, to);
  if (reason) {
    place(card, from);
    refuse(card, reason);
    if (hadFocus) linkOf(card).focus({ preventScroll: true });
    return;
  }
  const goBack = () => { place(card, from); count(from, 1); count(to, -1); };
  let form;
  board.dataset.busy = "";
  count(from, -1);
  count(to, 1);
  try {
    const { text, asks } = await send(card, from, to);
    if (asks) { form = text; goBack(); }
    else offerWayBack(text);
  } catch (refusal) {
    goBack();
    refuse(card, refusal.message);
  }
  delete board.dataset.busy;
  if (hadFocus) focusOn(card, { preventScroll: true });
  if (form) ask(form);
  board.dispatchEvent(new Event("moved"));
}

// Without a card in the hand, arrows walk from card to card.
export function walk(board, card, across, down) {
  const all = columnsOf(board);
  const cards = (column) => [...column.querySelectorAll("[data-card]")];
  const own = cards(columnOf(card));
  let next = own[own.indexOf(card) + down];
  if (across) {
    const there = all.slice(all.indexOf(columnOf(card)) + (across > 0 ? 1 : 0));
    const columns = across > 0 ? there : all.slice(0, all.indexOf(columnOf(card))).reverse();
    const found = cards(columns.find((column) => cards(column).length) ?? card);
    next = found[Math.min(own.indexOf(card), found.length - 1)];
  }
  if (next) linkOf(next).focus();
}
