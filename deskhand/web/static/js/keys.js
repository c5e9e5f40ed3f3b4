// Single-key shortcuts: an element names its key with data-hotkey. The last visible one wins, so a panel
// can take a key over; "] ." gives two. Off while somebody types and while a dialog is open; "?" lists them.
const typing = (target) => target.closest?.("input:not([type=radio]), textarea, select, [contenteditable]");
const visible = (element) => element.checkVisibility() || element.closest("[popover]:not(:popover-open)");

function holder(key) {
  const all = [...document.querySelectorAll(`[data-hotkey~="${CSS.escape(key)}"]`)];
  return all.findLast((element) => element.checkVisibility()) ?? all.findLast(visible);
}

function press(key) {
  const element = holder(key);
  if (!element || element.disabled) return false;
  element.click();
  if (element.matches("[type=radio]")) element.closest("form").querySelector("textarea").focus();
  return true;
}

function list() {
  const dialog = document.getElementById("keys");
  const lines = new Map();
  for (const element of document.querySelectorAll("[data-hotkey]")) {
    const name = element.dataset.keyLabel || element.getAttribute("aria-label") || element.firstElementChild?.nextSibling?.textContent || element.textContent;
    lines.set(element.dataset.hotkey.split(" ")[0], name.trim());
  }
  dialog.querySelector("dl").replaceChildren(...[...lines].map(([key, name]) => line(key, name)));
  dialog.showModal();
}

function line(key, name) {
  const row = document.createElement("div");
  const term = document.createElement("dt");
  const value = document.createElement("dd");
  const sign = document.createElement("kbd");
  term.textContent = name;
  sign.className = "key";
  sign.textContent = key.toUpperCase();
  value.append(sign);
  row.append(term, value);
  return row;
}

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return;
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (press(event.key.length === 1 ? event.key.toLowerCase() : event.key)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-open-keys]")) return;
  document.getElementById("me-menu")?.hidePopover();
  list();
});
