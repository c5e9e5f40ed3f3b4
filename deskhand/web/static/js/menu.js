// A popover menu: focus goes in, arrows, Home, End and digits choose, a search line filters. Closing gives focus back.
const items = (menu) => [...menu.querySelectorAll(".menu-item:not(:disabled)")].filter((item) => item.checkVisibility());

export function connect(menu) {
  const search = menu.querySelector("[data-filter]");

  function enter() {
    if (menu.contains(document.activeElement)) return;
    if (search) search.focus();
    else (menu.querySelector("[aria-current]") ?? items(menu)[0])?.focus();
  }

  function toggled(event) {
    if (event.newState !== "open") {
      if (search) { search.value = ""; filter(); }
      return;
    }
    if (!CSS.supports("position-area", "block-end")) place(menu);
    enter();
  }

  // Who types faster than the menu takes the focus is understood, too.
  function early(event) {
    const { target } = event;
    const dialog = target.closest?.("dialog");
    if (!menu.matches(":popover-open") || menu.contains(target) || (dialog && !dialog.contains(menu))) return;
    if (event.key === "Escape") return event.stopPropagation(); // closes the menu, and nothing around it
    if (event.metaKey || event.ctrlKey || event.altKey || event.key === "Tab" || target.closest?.("input, textarea")) return;
    enter();
    if (!search) pressed(event);
    else event.stopPropagation();
  }

  function filter() {
    const wanted = search.value.trim().toLowerCase();
    for (const item of menu.querySelectorAll(".menu-item")) {
      item.hidden = !item.textContent.toLowerCase().includes(wanted);
    }
  }

  function pressed(event) {
    const all = items(menu);
    const at = all.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if ((event.key === "Home" || event.key === "End") && event.target !== search) {
      event.preventDefault();
      all.at(event.key === "Home" ? 0 : -1)?.focus();
    } else if (step) {
      event.preventDefault();
      all[(at + step + all.length) % all.length]?.focus();
    } else if (event.key === "Enter" && event.target === search) {
      event.preventDefault();
      all[0]?.click();
    } else if (/^[1-9]$/.test(event.key) && event.target !== search) {
      const chosen = menu.querySelectorAll(".menu-item")[event.key - 1];
      if (chosen && !chosen.disabled) { event.preventDefault(); chosen.click(); }
    }
    event.stopPropagation();
  }

  const submitted = () => menu.hidePopover();
  menu.addEventListener("toggle", toggled);
  menu.addEventListener("keydown", pressed);
  menu.addEventListener("submit", submitted);
  search?.addEventListener("input", filter);
  document.addEventListener("keydown", early, true);
  return () => document.removeEventListener("keydown", early, true);
}

// For browsers without anchor positioning.
function place(menu) {
  const opener = document.querySelector(`[popovertarget="${menu.id}"]`)?.getBoundingClientRect();
  if (!opener) return;
  const below = innerHeight - opener.bottom > menu.offsetHeight + 8;
  const left = menu.matches(".menu--end, .menu--above") ? opener.right - menu.offsetWidth : opener.left;
  menu.style.top = `${below ? opener.bottom + 4 : Math.max(8, opener.top - menu.offsetHeight - 4)}px`;
  menu.style.left = `${Math.min(Math.max(8, left), innerWidth - menu.offsetWidth - 8)}px`;
}
