// Single-key shortcuts. An element takes its keys with data-hotkey: the last visible one wins, so a panel can take a
// key over. "] ." are two keys for the same; "g-u" is G, then U; "Shift-e" is E with Shift. Off while somebody types,
// while a dialog is open, and for who switched them off. The "?" sheet (deskhand/web/keys.py) has all of them.
const WAIT = 1500; // milliseconds between the keys of a sequence
const typing = (target) => target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
const visible = (element) => element.checkVisibility() || element.closest("[popover]:not(:popover-open), dialog:not([open])");

export const isOff = () => document.body.dataset.keys === "off";

export function holder(key) {
  const all = [...document.querySelectorAll(`[data-hotkey~="${CSS.escape(key)}"]`)];
  return all.findLast((element) => element.checkVisibility()) ?? all.findLast(visible);
}

export function press(element) {
  if (!element || element.disabled) return false;
  element.click();
  if (element.matches("[type=radio]")) element.closest("form").querySelector("[contenteditable=true], textarea:not([hidden])").focus();
  return true;
}

let first = ""; // of a sequence
let waiting;

function begin(key) {
  first = key;
  clearTimeout(waiting);
  waiting = setTimeout(() => { first = ""; }, WAIT);
}

function signOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isLetter = /^\p{L}$/u.test(key);
  return event.shiftKey && (isLetter || key.length > 1) ? `Shift-${key}` : key;
}

function heard(event) {
  if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing || isOff()) return false;
  if (typing(event.target) || document.querySelector("dialog[open]")) return false;
  const sign = signOf(event);
  if (first) {
    const whole = `${first}-${sign}`;
    first = "";
    return press(holder(whole));
  }
  if (document.querySelector(`[data-hotkey^="${CSS.escape(sign)}-"]`)) return begin(sign), true;
  const inWidget = event.key === "Enter" || event.key.startsWith("Arrow");
  if (inWidget) return false; // they have a meaning of their own where the focus is
  return press(holder(sign)) || step(sign);
}

// In a list without an open ticket J and K walk, O opens.
function step(sign) {
  const links = [...document.querySelectorAll(".row-link")].filter((link) => link.checkVisibility());
  const at = links.indexOf(document.activeElement);
  if (sign === "o" && at >= 0) return press(links[at]);
  const by = { j: 1, k: -1 }[sign];
  if (!by || !links.length) return false;
  links[Math.min(Math.max(at < 0 ? 0 : at + by, 0), links.length - 1)].focus();
  return true;
}

// Opened here, so that the first letters that are typed go into it; what it does comes with palette.js.
function openPalette() {
  const dialog = document.getElementById("palette");
  if (dialog?.open) return dialog.close();
  if (!dialog || document.querySelector("dialog[open]")) return;
  document.querySelectorAll("[popover]:popover-open").forEach((menu) => menu.hidePopover());
  const field = dialog.querySelector("input");
  field.value = "";
  dialog.showModal();
  field.focus();
  import(dialog.dataset.script).then(({ open }) => dialog.open && open(dialog));
}

const asksForPalette = (event) =>
  (event.metaKey || event.ctrlKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k";

document.addEventListener("keydown", (event) => {
  if (asksForPalette(event)) {
    event.preventDefault();
    openPalette();
  } else if (heard(event)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-palette]")) {
    event.preventDefault();
    openPalette();
  }
  if (!event.target.closest("[data-open-keys]")) return;
  document.getElementById("me-menu")?.hidePopover();
  document.getElementById("keys").showModal();
});
