// The reply form: the draft is kept on the server half a second after the last key, Ctrl or Cmd with Enter
// sends, Escape leaves. The browser warns before it throws unsaved text away.
import { writerOf } from "app/writer";

const PAUSE = 500; // milliseconds

export function connect(form) {
  const line = form.querySelector("[data-saved-line]");
  let timer;
  let unsaved = false;

  function data() {
    const values = new FormData(form);
    values.delete("file");
    return values;
  }
  async function save() {
    clearTimeout(timer);
    if (!unsaved) return;
    unsaved = false;
    try {
      const values = data();
      // Whatever becomes of this request, the text may now be kept in this mode.
      const { kept_as } = form.elements;
      kept_as.value = [...new Set([...kept_as.value.split(" "), values.get("mode")])].join(" ");
      const answer = await fetch(form.dataset.draftUrl, { method: "POST", body: values, keepalive: true });
      if (!answer.ok) throw new Error(answer.statusText);
      if (!unsaved) line.textContent = form.dataset.saved;
    } catch {
      unsaved = true;
      line.textContent = form.dataset.unsaved;
    }
  }
  function changed(event) {
    if (event.target.matches("[type=file], [type=radio], [type=datetime-local]")) return;
    unsaved = true;
    line.textContent = "";
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE);
  }
  function pressed(event) {
    if (event.key === "Enter" && event.target.matches("[type=datetime-local]")) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[name=later][value=chosen]"));
    } else if (event.key === "Escape" && writerOf(form).element.contains(event.target)) {
      document.getElementById("conversation")?.focus();
    }
  }
  // Before the editor takes it for a new line.
  function sent(event) {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey)) return;
    event.preventDefault();
    event.stopPropagation();
    form.requestSubmit(form.querySelector("[data-send]"));
  }
  const sending = () => { clearTimeout(timer); unsaved = false; };
  const refused = () => { unsaved = true; save(); };
  const leaving = (event) => { if (unsaved) event.preventDefault(); };

  const sign = form.querySelector("[data-mod-key]");
  if (sign && !/Mac|iP(hone|ad)/.test(navigator.platform)) sign.textContent = `${sign.dataset.modKey} ↵`;
  form.addEventListener("input", changed);
  form.addEventListener("keydown", sent, true);
  form.addEventListener("keydown", pressed);
  form.addEventListener("submit", sending);
  for (const name of ["htmx:response:error", "htmx:error"]) form.addEventListener(name, refused);
  addEventListener("beforeunload", leaving);
  return () => { save(); removeEventListener("beforeunload", leaving); };
}
