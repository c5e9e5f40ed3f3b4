// What pops up when the bell has rung: in the tab that somebody looks at, once in all tabs of this browser. It takes no
// focus; the box of the toasts says it to who hears the page.
const SEEN = "popup-seen";

export function connect(menu) {
  const box = document.getElementById("toasts");
  const number = (one) => Number(one.dataset.popup);

  function take() {
    const seen = Number(localStorage.getItem(SEEN));
    const found = [...menu.querySelectorAll("[data-popup]")].filter((one) => number(one) > seen);
    if (found.length) localStorage.setItem(SEEN, Math.max(...found.map(number)));
    return found.reverse();
  }

  async function look() {
    if (document.hidden || !menu.querySelector("[data-popup]")) return;
    const found = navigator.locks ? await navigator.locks.request(SEEN, take) : take();
    for (const one of found) if (new URL(one.dataset.url, location).pathname !== location.pathname) show(one.dataset);
  }

  function show({ about, text, url }) {
    const toast = document.createElement("div");
    const link = document.createElement("a");
    const name = document.createElement("strong");
    const words = document.createElement("span");
    const close = document.createElement("button");
    toast.className = "toast";
    toast.dataset.behavior = "toast";
    link.className = "toast-link";
    link.href = url;
    name.textContent = about;
    words.textContent = text;
    link.append(name, words);
    close.type = "button";
    close.className = "toast-button";
    close.dataset.closeToast = "";
    close.textContent = box.dataset.close;
    toast.append(link, close);
    box.append(toast);
  }

  const rings = new MutationObserver(look);
  rings.observe(menu, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-popup"] });
  return () => rings.disconnect();
}
