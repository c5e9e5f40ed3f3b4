// While somebody types: "/" offers snippets, "{" what the ticket fills in, "@" colleagues. Arrows choose, Enter or
// Tab takes, Escape leaves what was typed. In a reply "@" offers to make it a comment first: the customer reads it.
import { writerOf } from "app/writer";

const CALL = /(?:^|[\s([])([/@]|\{{1,2})([^\s/@{}]{0,40})$/u;
const SHOWN = 8;

let known;

export function connect(form) {
  const box = form.querySelector("[data-picks]");
  if (!box) return undefined;
  let open;
  let chosen = 0;
  let shown = [];

  async function all() {
    if (known?.url !== box.dataset.picks) {
      const answer = await fetch(box.dataset.picks, { headers: { Accept: "application/json" } }).catch(() => null);
      if (!answer?.ok) return {};
      known = { url: box.dataset.picks, lists: await answer.json() };
    }
    return known.lists;
  }

  const isReply = () => form.elements.mode?.value === "reply";

  function matching(list, wanted) {
    const words = wanted.toLowerCase();
    const begins = (one) => one.hint.toLowerCase().slice(1).startsWith(words) || one.name.toLowerCase().startsWith(words);
    const holds = (one) => `${one.name} ${one.hint}`.toLowerCase().includes(words);
    return [...list.filter(begins), ...list.filter((one) => !begins(one) && holds(one))].slice(0, SHOWN);
  }

  const said = () => writerOf(form).before();

  async function typed() {
    const before = said();
    const found = CALL.exec(before);
    if (!found) return close();
    const [, sign, wanted] = found;
    const at = before.length - sign.length - wanted.length;
    if (sign === "@" && isReply()) return show([{ name: box.dataset.comment, hint: "", makesComment: true }], at);
    const lists = await all();
    if (!said().endsWith(sign + wanted)) return undefined;
    return show(matching(lists[sign[0]] ?? [], wanted), at);
  }

  function show(list, at) {
    if (!list.length) return close();
    open = at;
    shown = list;
    chosen = 0;
    box.replaceChildren(...list.map(option));
    box.hidden = false;
    return mark();
  }

  function option(one, place) {
    const row = document.createElement("div");
    const name = document.createElement("span");
    const hint = document.createElement("span");
    row.className = "menu-item";
    row.id = `pick-${place}`;
    row.setAttribute("role", "option");
    name.className = "grow truncate";
    name.textContent = one.name;
    hint.className = "menu-hint truncate";
    hint.textContent = one.hint;
    row.append(name, hint);
    row.addEventListener("pointerdown", (event) => { event.preventDefault(); take(place); });
    return row;
  }

  function mark() {
    for (const [place, row] of [...box.children].entries()) row.setAttribute("aria-selected", String(place === chosen));
    writerOf(form).element.setAttribute("aria-activedescendant", `pick-${chosen}`);
    box.children[chosen].scrollIntoView({ block: "nearest" });
  }

  function take(place) {
    const one = shown[place];
    if (one.makesComment) {
      const tab = form.querySelector("[name=mode][value=comment]");
      tab.checked = true;
      tab.dispatchEvent(new Event("change", { bubbles: true }));
      writerOf(form).focus();
      return typed();
    }
    const from = open;
    close();
    writerOf(form).put(one.text, from);
    return undefined;
  }

  function close() {
    open = undefined;
    box.hidden = true;
    writerOf(form).element.removeAttribute("aria-activedescendant");
  }

  function pressed(event) {
    if (open === undefined || !isHere(event) || event.isComposing || event.metaKey || event.ctrlKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      chosen = (chosen + step + shown.length) % shown.length;
      mark();
    } else if (event.key === "Enter" || event.key === "Tab") {
      take(chosen);
    } else if (event.key === "Escape") {
      close();
    } else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  function offered(event) {
    const button = event.target.closest("[data-pick]");
    if (!button) return;
    const writer = writerOf(form);
    writer.focus();
    const before = writer.before();
    writer.put((before && !/\s$/.test(before) ? " " : "") + button.dataset.pick, before.length);
  }

  const isHere = (event) => writerOf(form).element.contains(event.target);
  const heard = (event) => { if (event.target === writerOf(form).field) typed(); };
  const left = (event) => { if (isHere(event)) close(); };

  form.addEventListener("input", heard);
  form.addEventListener("keydown", pressed, true);
  form.addEventListener("focusout", left);
  form.addEventListener("click", offered);
  return close;
}
