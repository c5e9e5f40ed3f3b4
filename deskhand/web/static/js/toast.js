// A toast goes after 8 s, but not while it is looked at; an error stays. Failed requests become toasts too.
const STAY = 8000; // milliseconds

export function connect(toast) {
  let timer;
  const hold = () => clearTimeout(timer);
  const go = () => { if (toast.dataset.kind !== "error") timer = setTimeout(() => toast.remove(), STAY); };
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("pointerleave", go);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("focusout", go);
  toast.addEventListener("click", (event) => event.target.closest("[data-close-toast]") && toast.remove());
  toast.addEventListener("htmx:after:swap", () => toast.remove());
  go();
  return hold;
}

// What goes wrong in a drawer is said in it: the page behind is out of reach.
function complainWithin(body, text) {
  body.querySelector("[data-complaint]")?.remove();
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.dataset.complaint = "";
  notice.dataset.tone = "red";
  notice.setAttribute("role", "alert");
  notice.textContent = text;
  body.prepend(notice);
  body.scrollTo(0, 0);
}

export function complain(text) {
  const body = document.querySelector("dialog[open] .drawer-body");
  if (body) return complainWithin(body, text);
  const box = document.getElementById("toasts");
  const toast = document.createElement("div");
  const words = document.createElement("span");
  const close = document.createElement("button");
  toast.className = "toast";
  toast.dataset.behavior = "toast";
  toast.dataset.kind = "error";
  words.textContent = text;
  close.type = "button";
  close.className = "toast-button";
  close.dataset.closeToast = "";
  close.textContent = box.dataset.close;
  toast.append(words, close);
  return box.append(toast);
}

const box = document.getElementById("toasts");
const byHand = (context) => ["click", "submit", "change"].includes(context?.sourceEvent?.type);
const inWords = (ctx) => ctx.response.headers?.get("content-type")?.startsWith("text/plain") && ctx.text.trim();
const inPlace = (ctx) => [409, 422].includes(ctx.response.status) && !inWords(ctx); // the answer itself says what is wrong

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (byHand(ctx) && !inPlace(ctx)) complain(inWords(ctx) || box.dataset.failed);
});
document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (byHand(ctx) && ctx.status !== "dropped" && !ctx.request.signal?.aborted) complain(box.dataset.unreachable);
});
