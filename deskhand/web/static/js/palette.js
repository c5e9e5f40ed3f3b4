// The command palette: a question, what the server finds for it, and below that what can be done on this page. Focus
// stays in the field; arrows move the chosen line (aria-activedescendant), Enter takes it.
import { actions } from "app/actions";

const PAUSE = 120; // milliseconds without typing before the server is asked

const connected = new WeakMap();

// The dialog has been opened: what it does is fetched then (keys.js).
export function open(dialog) {
  if (!connected.has(dialog)) connected.set(dialog, connect(dialog));
  connected.get(dialog)();
}

const isSame = (one, other) => one.href ? one.href === other.href : one.textContent === other.textContent;

function connect(dialog) {
  const field = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  const said = dialog.querySelector("[role=status]");
  const chip = dialog.querySelector(".palette-scope");
  let asking, timer, scoped = false;
  let behind = false; // what stands in the list is not yet the answer to what stands in the field
  let walked = false; // the line was chosen by the person, not because it is the first
  let taking; // Enter was pressed while the list was behind: the event

  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => document.getElementById(field.getAttribute("aria-activedescendant") || "-");

  function choose(option) {
    chosen()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    if (option) field.setAttribute("aria-activedescendant", option.id);
    else field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }

  function opened() {
    walked = false;
    taking = undefined;
    const subject = document.getElementById("subject");
    scoped = Boolean(subject);
    chip.textContent = subject?.textContent.trim() ?? "";
    chip.hidden = !scoped;
    list.replaceChildren();
    ask();
  }

  async function ask() {
    behind = true;
    asking?.abort();
    asking = new AbortController();
    const query = field.value;
    try {
      const answer = await fetch(`${dialog.dataset.url}?q=${encodeURIComponent(query)}`, { headers: { "HX-Request": "true" }, signal: asking.signal });
      if (!answer.ok) throw new Error(answer.status);
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      show([...part.body.children].map((group) => document.adoptNode(group)), query);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      taking = undefined; // what can be done here is not what was looked for
      show([], query);
    }
  }

  function show(groups, query) {
    const before = options();
    const kept = walked && chosen();
    const last = query.trim() ? groups.pop() : undefined; // "search everywhere" stays at the end
    list.replaceChildren(...[...groups, actions(dialog, query, scoped), last].filter(Boolean));
    const found = options();
    const again = kept && (found.find((option) => isSame(option, kept)) ?? (kept === before.at(-1) && found.at(-1)));
    choose(again || found[0]);
    said.textContent = found.length === 1 ? dialog.dataset.result : dialog.dataset.results.replace("#", found.length);
    behind = false;
    if (taking) take(taking);
  }

  function take(event) {
    taking = undefined;
    const option = chosen();
    if (option?.href && (event.metaKey || event.ctrlKey)) window.open(option.href, "_blank", "noopener");
    else option?.click();
  }

  function typed(event) {
    const all = options();
    const at = all.indexOf(chosen());
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 5, PageUp: -5 }[event.key];
    if (event.isComposing) return;
    if (step && all.length) {
      const next = Math.abs(step) === 1 ? (at + step + all.length) % all.length : Math.min(Math.max(at + step, 0), all.length - 1);
      choose(all[next]);
      walked = true;
      taking = undefined;
      event.preventDefault();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (!behind || walked) take(event);
      else if (field.value.trim()) taking = event;
    } else if (event.key === "Backspace" && !field.value && scoped) {
      scoped = false;
      chip.hidden = true;
      ask();
    }
  }

  const moved = (event) => {
    const option = event.target.closest("[role=option]");
    if (!option || option === chosen()) return;
    choose(option);
    walked = true;
  };
  const asked = () => {
    asking?.abort(); // what comes late is no answer to what stands there now
    behind = true;
    walked = false;
    taking = undefined;
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  };

  field.addEventListener("input", asked);
  field.addEventListener("keydown", typed);
  list.addEventListener("pointermove", moved);
  list.addEventListener("click", (event) => event.target.closest("a") && dialog.close());
  dialog.addEventListener("close", () => { asking?.abort(); clearTimeout(timer); taking = undefined; });
  return opened;
}
