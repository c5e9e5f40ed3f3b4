// The canvas of a workflow: zoom and pan, arrows that walk by geometry, and the keys N and Delete on a node.
import { isOff } from "app/keys";

const STEP = 1.1;
const [LEAST, MOST] = [0.4, 1.5];
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export function connect(canvas) {
  const paper = canvas.firstElementChild;
  const shown = document.getElementById("zoom");
  let zoom = 1;

  function zoomTo(wanted) {
    const [x, y] = [(canvas.scrollLeft + canvas.clientWidth / 2) / zoom, (canvas.scrollTop + canvas.clientHeight / 2) / zoom];
    zoom = Math.min(MOST, Math.max(LEAST, wanted));
    paper.style.setProperty("--zoom", zoom);
    shown.value = `${Math.round(zoom * 100)} %`;
    canvas.scrollTo(x * zoom - canvas.clientWidth / 2, y * zoom - canvas.clientHeight / 2);
  }

  function fit() {
    zoomTo(1);
    zoomTo(Math.min(1, canvas.clientWidth / (document.getElementById("flow").scrollWidth + 60)));
    middle();
  }

  function middle() {
    canvas.scrollLeft = (canvas.scrollWidth - canvas.clientWidth) / 2;
    canvas.scrollTop = 0;
  }

  function clicked(event) {
    const button = event.target.closest("[data-zoom]");
    if (button) return button.dataset.zoom === "fit" ? fit() : zoomTo(button.dataset.zoom === "+" ? zoom * STEP : zoom / STEP);
    const jump = event.target.closest("[data-jump]");
    if (!jump) return undefined;
    event.preventDefault();
    return show(document.getElementById(`node-${jump.dataset.jump}`));
  }

  // ── walking ──

  function show(node) {
    if (!node) return;
    for (let fold = node.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function walk(from, [dx, dy]) {
    const a = from.getBoundingClientRect();
    let [best, least] = [undefined, Infinity];
    for (const other of canvas.querySelectorAll(".node-main, .branch-label")) {
      if (other === from || !other.checkVisibility()) continue;
      const b = other.getBoundingClientRect();
      const [x, y] = [b.x + b.width / 2 - a.x - a.width / 2, b.y + b.height / 2 - a.y - a.height / 2];
      const [along, off] = [x * dx + y * dy, Math.abs(x * dy) + Math.abs(y * dx)];
      if (along > 8 && along + off * 2.2 < least) [best, least] = [other, along + off * 2.2];
    }
    show(best);
  }

  function pressed(event) {
    if (event.metaKey || event.ctrlKey || event.altKey) return undefined;
    const at = event.target.closest(".node-main, .branch-label");
    if (ARROWS[event.key] && at) {
      event.preventDefault();
      return walk(at, ARROWS[event.key]);
    }
    if (["+", "-"].includes(event.key)) return zoomTo(event.key === "+" ? zoom * STEP : zoom / STEP);
    if (isOff() || !at) return undefined;
    if (event.key === "Delete" && at.dataset.delete) return window.htmx.ajax("GET", at.dataset.delete, { source: at, swap: "none" });
    if (event.key.toLowerCase() !== "n") return undefined;
    event.stopPropagation(); // elsewhere it makes a ticket
    const plus = at.closest(".step, .branch").querySelector(".wire-plus") ?? at.closest("li").nextElementSibling?.querySelector(".wire-plus");
    return plus?.click();
  }

  // ── moving the paper ──

  function dragged(event) {
    if (event.button || event.pointerType === "touch" || event.target.closest("a, button, summary, form")) return;
    const from = [event.clientX + canvas.scrollLeft, event.clientY + canvas.scrollTop];
    const move = (now) => canvas.scrollTo(from[0] - now.clientX, from[1] - now.clientY);
    const end = () => { delete canvas.dataset.panning; canvas.removeEventListener("pointermove", move); };
    canvas.setPointerCapture(event.pointerId);
    canvas.dataset.panning = "";
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", end, { once: true });
  }

  function wheeled(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomTo(event.deltaY < 0 ? zoom * 1.06 : zoom / 1.06);
  }

  const stage = canvas.parentElement;
  stage.addEventListener("click", clicked);
  canvas.addEventListener("keydown", pressed);
  canvas.addEventListener("pointerdown", dragged);
  canvas.addEventListener("wheel", wheeled, { passive: false });
  requestAnimationFrame(matchMedia("(width > 47.5em)").matches ? fit : middle);
}
