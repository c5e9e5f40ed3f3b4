// Opens the bell's list beside the button; a click with a key held down opens the page, as with any link.
export function connect(button) {
  const menu = document.getElementById("bell-menu");
  const clicked = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    menu.togglePopover({ source: button });
  };
  const toggled = (event) => {
    button.setAttribute("aria-expanded", event.newState === "open");
    if (event.newState === "open") menu.dispatchEvent(new Event("open"));
    else if (!document.activeElement || document.activeElement === document.body) button.focus();
  };
  button.setAttribute("role", "button");
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-controls", "bell-menu");
  button.addEventListener("click", clicked);
  button.addEventListener("keydown", (event) => { if (event.key === " ") { event.preventDefault(); button.click(); } });
  menu.addEventListener("toggle", toggled);
}
