// Keeps the stream of signals open. Signals arrive as events on this element; after a gap that the server can't
// make up for it says "resync". The stream itself, with its back-off, is the hx-sse extension; it does not try again
// when the very first connection fails, so that is done here.
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
    opened = true;
    clearInterval(retry);
  };
  const down = () => { delete element.dataset.up; warning ??= setTimeout(() => { say(); notice.hidden = document.hidden; }, PATIENCE); };
  const cut = () => { say(); notice.hidden = navigator.onLine && "up" in element.dataset; };

  const forget = catchUp(element);
  // A stream begins with what the page has missed, or says that it is nothing: it is up when that has been heard.
  element.addEventListener("htmx:after:sse:message", up);
  for (const name of ["htmx:sse:error", "htmx:error", "htmx:response:error"]) element.addEventListener(name, down);
  for (const name of ["offline", "online"]) addEventListener(name, cut);
  document.addEventListener("htmx:after:process", open, { once: true });
  open();
  return () => {
    clearInterval(retry);
    clearTimeout(warning);
    forget();
    for (const name of ["offline", "online"]) removeEventListener(name, cut);
  };
}

// A part of the page that was asked for a moment ago could not hear what was said before it stood here: it is told
// once it does. Parts that are read again because of a signal were here all the time.
function catchUp(element) {
  const said = new Map(); // name → when it came last
  const asked = new WeakMap(); // request → when it left

  const heard = (event) => said.set(event.detail.message.event, performance.now());
  const leaves = (event) => asked.set(event.detail.ctx, performance.now());
  const stands = ({ detail: { ctx } }) => {
    if (ctx.sourceEvent?.target === element || !asked.has(ctx)) return;
    for (const [name, at] of [...said]) if (at >= asked.get(ctx)) element.dispatchEvent(new Event(name));
  };

  element.addEventListener("htmx:after:sse:message", heard);
  document.addEventListener("htmx:before:request", leaves);
  document.addEventListener("htmx:after:swap", stands);
  return () => {
    document.removeEventListener("htmx:before:request", leaves);
    document.removeEventListener("htmx:after:swap", stands);
  };
}
