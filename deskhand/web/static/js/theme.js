// Light and dark without a reload: the page turns at once, the choice is sent along.
const dark = matchMedia("(prefers-color-scheme: dark)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function turn(theme) {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
}

function chosenBy(button) {
  if (!("themeToggle" in button.dataset)) return button.value;
  const now = document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  return now === "dark" ? "light" : "dark";
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-theme-form]");
  if (!form) return;
  event.preventDefault();
  const theme = chosenBy(event.submitter);
  const body = new FormData(form);
  body.set("theme", theme);
  fetch(form.action, { method: "POST", body, keepalive: true, redirect: "manual" });
  if (document.startViewTransition && !calm.matches) document.startViewTransition(() => turn(theme));
  else turn(theme);
});
