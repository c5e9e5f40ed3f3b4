// A text field becomes an editor with formatting for who wants one; it is fetched when it is asked for, and what was
// chosen is remembered. Until it is there, and where it can't be had, the text field does.
import { complain } from "app/toast";

export function connect(form) {
  const toggle = form.querySelector("[data-formatting]");
  const text = form.elements.body;
  let close;
  let isAsked = false;

  async function open() {
    isAsked = true;
    text.readOnly = Boolean(form.elements.html.value); // what is formatted already would be lost by typing
    toggle.setAttribute("aria-busy", "true");
    const module = await import(form.dataset.editor).catch(() => null);
    toggle.removeAttribute("aria-busy");
    text.readOnly = false;
    if (!form.isConnected || !isAsked) return;
    if (!module) return complain(document.getElementById("toasts").dataset.unreachable);
    close = module.open(form);
    toggle.setAttribute("aria-pressed", "true");
  }

  function shut() {
    isAsked = false;
    toggle.setAttribute("aria-pressed", "false");
    if (!close) return;
    close();
    close = undefined;
    text.dispatchEvent(new Event("input", { bubbles: true })); // only here: a form that goes was sent, or saves itself
  }

  function pressed() {
    const isOn = toggle.getAttribute("aria-pressed") !== "true";
    const body = new URLSearchParams({ rich: isOn ? "1" : "0", csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });
    fetch(toggle.dataset.formatting, { method: "POST", body, headers: { "HX-Request": "true" } }).catch(() => {});
    if (isOn) text.focus();
    return isOn ? open() : shut();
  }

  toggle.addEventListener("click", pressed);
  if (form.dataset.rich) open();
  return () => close?.();
}
