// Starts what an element asks for with data-behavior="name" and ends it when the element leaves the page.
// The module app/name exports connect(element), which may return a function that cleans up.
const running = new Map();
const modules = new Map(); // what has come, by name

async function load(name) {
  modules.set(name, await import(`app/${name}`));
}

// At once when its modules have come before: what appears later on a page is never seen without what it does.
function start(element) {
  if (running.has(element)) return undefined;
  const mark = [];
  running.set(element, mark);
  const names = element.dataset.behavior.split(" ");
  const connect = () => {
    if (running.get(element) !== mark) return; // it has left, or came again
    if (element.isConnected) running.set(element, names.map((name) => modules.get(name).connect(element)));
    else running.delete(element);
  };
  // Each in its own microtask, which is as soon: one that fails stops no other.
  return (names.every((name) => modules.has(name)) ? Promise.resolve() : Promise.all(names.map(load))).then(connect);
}

function stop(element) {
  for (const clean of running.get(element) ?? []) clean?.();
  running.delete(element);
}

function startWithin(root) {
  if (root.matches?.("[data-behavior]")) start(root);
  root.querySelectorAll?.("[data-behavior]").forEach(start);
}

new MutationObserver((changes) => {
  for (const change of changes) change.addedNodes.forEach(startWithin);
  for (const element of running.keys()) if (!element.isConnected) stop(element);
}).observe(document.documentElement, { childList: true, subtree: true });

// The page says when all that it came with, and what its template says will be needed, is at work.
const wanted = [...document.querySelectorAll("link[data-module]")].map(({ dataset }) => load(dataset.module));
Promise.all([...document.querySelectorAll("[data-behavior]")].map(start).concat(wanted))
  .then(() => { document.documentElement.dataset.started = ""; });
