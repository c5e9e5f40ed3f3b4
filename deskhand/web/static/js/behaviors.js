// Starts what an element asks for with data-behavior="name" and ends it when the element leaves the page.
// The module app/name exports connect(element), which may return a function that cleans up.
const running = new Map();

async function start(element) {
  if (running.has(element)) return;
  running.set(element, []);
  const modules = await Promise.all(element.dataset.behavior.split(" ").map((name) => import(`app/${name}`)));
  if (!element.isConnected) return running.delete(element);
  running.set(element, modules.map((module) => module.connect(element)));
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

// The page says when all that it came with is at work.
Promise.all([...document.querySelectorAll("[data-behavior]")].map(start)).then(() => { document.documentElement.dataset.started = ""; });
