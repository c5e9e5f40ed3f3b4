// The form of a new property: its name follows the label until somebody writes one, and options show for choices only.
const SPELT = { "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa" };
const CHOICES = /^(enumeration|multi):/;

export const suggested = (label) => label.toLowerCase().replace(/[äöüßæøå]/g, (letter) => SPELT[letter])
  .normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/[^a-z0-9]+/g, "_").replace(/^[0-9_]+|_+$/g, "").slice(0, 100);

export function connect(form) {
  const [label, name, type, options] = ["[data-label]", "[data-name]", "[data-type]", "[data-for-options]"]
    .map((wanted) => form.querySelector(wanted));
  if (!name) return;
  let isOwn = Boolean(name.value);
  const fit = () => { options.hidden = !CHOICES.test(type.value); };
  label.addEventListener("input", () => { if (!isOwn) name.value = suggested(label.value); });
  name.addEventListener("input", () => { isOwn = Boolean(name.value); });
  type.addEventListener("change", fit);
  fit();
}
