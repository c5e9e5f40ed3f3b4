// What pops up when the bell has rung: in the tab that somebody looks at, once in all tabs of this browser. It takes no
// focus; the box of the toasts says it to who hears the page. What came while nobody looked waits in the bell.
const SEEN = "popup-seen";
const MISSED = "popup-missed"; // of this tab: the newest that came while it was hidden

export function connect(menu) {
  const box = document.getElementById("toasts");
  const number = (one) => Number(one.dataset.popup);
  const newest = (found) => Math.max(...found.map(number));
  const popping = () => [...menu.querySelectorAll("[data-popup]")];

  function take() {
    const seen = Math.max(sessionStorage.getItem(MISSED), localStorage.getItem(SEEN));
    const found = popping().filter((one) => number(one) > seen);
    if (found.length) localStorage.setItem(SEEN, newest(found));
    return found.reverse();
  }

  async function look() {
    const there = popping();
    if (!there.length) return;
    if (document.hidden) {
      sessionStorage.setItem(MISSED, Math.max(sessionStorage.getItem(MISSED), newest(there)));
      return;
    }
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
