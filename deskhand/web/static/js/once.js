// A form is sent once: pressed again while it is under way, by a double click, it stays where it is. The button is not
// switched off, for its name and value go along. What a script sends to have a form drawn anew is not held back.
const STOPPED = 5_000; // milliseconds, for a page that was asked for and did not come: somebody stopped it, or stayed

const underWay = new Set();
const isDrawnAnew = (button) => button?.name === "redraw";

function isToChange(form, button) {
  const asked = (name) => button?.getAttribute(`form${name}`) ?? form.getAttribute(name) ?? "";
  return asked("method").toLowerCase() === "post" && ["", "_self"].includes(asked("target"));
}

// Without htmx: on the window, when all that may prevent it has been asked.
addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || isDrawnAnew(submitter) || !isToChange(form, submitter)) return;
  if (underWay.has(form)) return event.preventDefault();
  underWay.add(form);
  setTimeout(() => underWay.delete(form), STOPPED);
});
addEventListener("pageshow", () => underWay.clear());

// With htmx, which else sends the second one after the first; a button in a form may have an address of its own.
const formOf = ({ request, sourceElement }) => request.form ?? sourceElement;
const isPressed = ({ request, sourceEvent }) => request.method === "POST" && ["submit", "click"].includes(sourceEvent?.type) && !isDrawnAnew(request.submitter);

document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  if (isPressed(ctx) && underWay.has(formOf(ctx))) event.preventDefault();
});
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => { if (isPressed(ctx)) underWay.add(formOf(ctx)); });
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (!isPressed(ctx)) return;
  if (ctx.keepIndicators) setTimeout(() => underWay.delete(formOf(ctx)), STOPPED); // who is led to another page waits for it
  else underWay.delete(formOf(ctx));
});
