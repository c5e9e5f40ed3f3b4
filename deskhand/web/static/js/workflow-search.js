// The search above the list of actions: what does not have all the words is hidden at once.
export function connect(search) {
  const body = search.parentElement;
  const field = search.querySelector("input[type=search]");

  function filter() {
    const words = field.value.trim().toLowerCase().split(/\s+/);
    let count = 0;
    for (const group of body.querySelectorAll(".offer-group")) {
      let here = 0;
      for (const item of group.querySelectorAll("li")) {
        item.hidden = !words.every((word) => item.textContent.toLowerCase().includes(word));
        here += item.hidden ? 0 : 1;
      }
      group.hidden = !here;
      count += here;
    }
    body.querySelector("[data-none]").hidden = count > 0;
  }

  function submitted(event) {
    event.preventDefault();
    body.querySelector("li:not([hidden]) > a.offer")?.click();
  }

  field.addEventListener("input", filter);
  search.addEventListener("submit", submitted);
}
