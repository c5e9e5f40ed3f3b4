// A form that goes as soon as something is chosen.
export function connect(form) {
  form.addEventListener("change", () => form.requestSubmit());
}
