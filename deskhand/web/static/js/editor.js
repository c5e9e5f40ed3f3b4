// A value that is edited in place: Esc restores it, a choice is saved at once, and focus comes back to the value.
export function connect(form) {
  let id; // a morph may hold the form elsewhere for a moment
  const place = () => { id = form.closest(".prop")?.id ?? id; };
  const select = form.querySelector("select");

  const pressed = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation(); // the panel around it stays
    form.querySelector("[data-cancel]").click();
  };

  place();
  form.addEventListener("focusin", place);
  form.addEventListener("keydown", pressed);
  select?.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); form.requestSubmit(); } });
  form.dataset.ready = ""; // keys count from here on
  (form.querySelector("[autofocus]") ?? form.querySelector("input:not([type=hidden])"))?.focus();
  return () => {
    if (!id) return;
    if (document.activeElement && document.activeElement !== document.body) return;
    document.querySelector(`#${CSS.escape(id)} a`)?.focus({ preventScroll: true });
  };
}
