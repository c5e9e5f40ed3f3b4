// Keeps the stream of signals open. Signals arrive as events on this element; after a gap it says "resync",
// because what was sent meanwhile is lost. The stream itself, with its back-off, is the hx-sse extension;
// it does not try again when the very first connection fails, so that is done here.
const RETRY = 2000; // milliseconds
const PATIENCE = 6000; // milliseconds without a stream before the page says so

export function connect(element) {
  const notice = document.getElementById("offline");
  let opened = false;
  let warning;

  const open = () => opened || element.dispatchEvent(new Event("connect"));
  const retry = setInterval(open, RETRY);
  const words = notice.lastElementChild;
  const say = () => { words.textContent = navigator.onLine ? notice.dataset.lost : notice.dataset.offline; };

  const up = () => {
    clearTimeout(warning);
    warning = undefined;
    notice.hidden = true;
    element.dataset.up = "";
    if (opened) element.dispatchEvent(new Event("resync"));
    opened = true;
    clearInterval(retry);
  };
  const down = () => { delete element.dataset.up; warning ??= setTimeout(() => { say(); notice.hidden = document.hidden; }, PATIENCE); };
  const cut = () => { say(); notice.hidden = navigator.onLine && "up" in element.dataset; };

  element.addEventListener("htmx:after:sse:connection", up);
  for (const name of ["htmx:sse:error", "htmx:error", "htmx:response:error"]) element.addEventListener(name, down);
  for (const name of ["offline", "online"]) addEventListener(name, cut);
  document.addEventListener("htmx:after:process", open, { once: true });
  open();
  return () => {
    clearInterval(retry);
    clearTimeout(warning);
    for (const name of ["offline", "online"]) removeEventListener(name, cut);
  };
}
