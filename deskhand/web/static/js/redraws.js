// A form whose fields depend on each other: what changes on one that says so has the form drawn anew, keeping what was typed.
export function connect(box) {
  const changed = (event) => {
    const field = event.target.closest("[data-redraws]");
    const button = field?.closest(".field").querySelector("button[name=redraw]");
    if (!button) return;
    if (field !== event.target) {
      button.after(Object.assign(document.createElement("input"), { type: "hidden", name: "redraw-box", value: event.target.value }));
    }
    button.form.requestSubmit(button);
  };
  box.addEventListener("change", changed);
  return () => box.removeEventListener("change", changed);
}
