// Chooses the browser's own time zone, unless somebody has chosen already.
export function connect(element) {
  const select = element.querySelector("select");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...select.options].some((option) => option.value === zone)) select.value = zone;
}
