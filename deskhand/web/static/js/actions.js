// The lines of the palette for what can be done on this page: what the keyboard map names and an element here offers.
import { holder, press } from "app/keys";

const fold = (text) => text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");

export function actions(dialog, query, scoped) {
  const wanted = fold(query).split(/\s+/).filter(Boolean);
  const lines = [];
  for (const row of document.querySelectorAll("#keys [data-sign]")) {
    const element = row.dataset.sign.split(" ").map(holder).find(Boolean);
    if (element && isOffered(row, element, scoped) && isCalled(row.dataset.label, wanted)) lines.push(line(dialog, row, element));
  }
  return lines.length ? group(dialog.dataset.actions, lines) : undefined;
}

function isOffered(row, element, scoped) {
  const isPlace = Boolean(row.querySelector("a")); // the server names the places
  return !element.disabled && !isPlace && !element.matches("[data-open-palette]") && (scoped || !row.hasAttribute("data-of-ticket"));
}

function isCalled(label, wanted) {
  const words = fold(label).split(/[\s,]+/);
  return wanted.every((one) => words.some((word) => word.startsWith(one)));
}

function group(name, lines) {
  const box = document.createElement("div");
  const label = document.createElement("div");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", name);
  label.className = "menu-label";
  label.setAttribute("role", "presentation");
  label.textContent = name;
  box.append(label, ...lines);
  return box;
}

function line(dialog, row, element) {
  const option = document.createElement("div");
  const mark = document.createElement("span");
  const words = document.createElement("span");
  const keys = document.createElement("span");
  option.className = "palette-option";
  option.id = `palette-${row.dataset.sign.replace(/\W/g, (letter) => letter.codePointAt(0))}`;
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  mark.className = "palette-mark";
  mark.append(icon(dialog, row.dataset.icon));
  words.className = "grow truncate";
  words.textContent = row.dataset.label;
  keys.className = "palette-keys";
  keys.append(...row.querySelector("[data-keys]").cloneNode(true).childNodes);
  option.append(mark, words, keys);
  option.addEventListener("click", () => { dialog.close(); press(element); });
  return option;
}

function icon(dialog, name) {
  const drawn = dialog.querySelector("[data-action-icon]").content.firstElementChild.cloneNode(true);
  const use = drawn.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${name}`));
  return drawn;
}
