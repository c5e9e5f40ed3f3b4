// Whether a form holds something that nobody has saved; the browser asks before it throws that away.
const state = (form) => JSON.stringify([...new FormData(form)].map(([name, value]) => [name, String(value)]));
const kept = new WeakMap();

export function remember(form) {
  kept.set(form, form.querySelector("[aria-invalid], .field-error, [role=alert], [data-typed]") ? "" : state(form));
}

export const isChanged = (form) => kept.has(form) && kept.get(form) !== state(form);

export function connect(form) {
  let isSending = false;
  const sending = () => { isSending = true; };
  const leaving = (event) => { if (!isSending && isChanged(form)) event.preventDefault(); };
  remember(form);
  form.addEventListener("submit", sending);
  addEventListener("beforeunload", leaving);
  return () => removeEventListener("beforeunload", leaving);
}
