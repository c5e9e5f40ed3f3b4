// A form whose fields depend on each other: what changes on one that says so has the form drawn anew, keeping what was typed.
export function connect(box) {
  const draw = (input) => {
    const field = input.closest("[data-redraws]");
    const button = field?.closest(".field").querySelector("button[name=redraw]");
    if (!button) return;
    if (field !== input) {
      button.after(Object.assign(document.createElement("input"), { type: "hidden", name: "redraw-box", value: input.value }));
    }
    button.form.requestSubmit(button);
  };
  const changed = (event) => draw(event.target);
  box.addEventListener("change", changed);
  const isLoading = !("started" in document.documentElement.dataset);
  const early = isLoading && [...box.querySelectorAll("select[data-redraws]")].find(isOther);
  if (early) draw(early);
  return () => box.removeEventListener("change", changed);
}

// Chosen while the page was coming, or kept by the browser when it was loaded again.
function isOther({ options, selectedOptions: [chosen] }) {
  const all = [...options];
  return chosen !== (all.find((one) => one.defaultSelected) ?? all.find((one) => !one.disabled));
}
