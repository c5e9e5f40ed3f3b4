// Lines of addresses as chips. The text field stays what the form sends; a chip is one person in it.
const PERSON = /(?:"[^"]*"|<[^>]*>|[^,;\n"<]|["<])+/g;
const ADDRESS = /^[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+$/;

const people = (text) => (text.match(PERSON) ?? []).map((part) => part.trim()).filter(Boolean);
const address = (person) => (/<([^<>]*)>\s*$/.exec(person)?.[1] ?? person).trim();
const name = (person) => person.replace(/\s*<[^<>]*>\s*$/, "").replace(/^"|"$/g, "") || person;

export function connect(box) {
  const ends = [...box.querySelectorAll(".composer-addresses")].map((field) => line(box, field));
  return () => ends.forEach((end) => end());
}

function line(box, field) {
  const entry = document.createElement("input");
  const chips = document.createElement("span");
  let all = people(field.value);

  entry.className = "chip-entry";
  entry.autocomplete = "off";
  entry.spellcheck = false;
  entry.setAttribute("list", field.getAttribute("list"));
  entry.setAttribute("aria-label", field.labels[0].textContent);
  chips.className = "chips";
  field.after(chips);
  chips.append(entry);
  field.labels[0].addEventListener("click", () => entry.focus());

  function keep() {
    field.value = [...all, entry.value.trim()].filter(Boolean).join(", ");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function draw() {
    chips.replaceChildren(...all.map(chip), entry);
    keep();
  }

  function chip(person, place) {
    const sign = document.createElement("span");
    const text = document.createElement("span");
    const remove = document.createElement("button");
    sign.className = "person-chip";
    text.className = "truncate";
    text.textContent = name(person);
    sign.title = address(person);
    if (!ADDRESS.test(address(person))) {
      sign.dataset.tone = "red";
      sign.title = `${box.dataset.wrong}: ${person}`;
    }
    remove.type = "button";
    remove.setAttribute("aria-label", box.dataset.remove.replace("\u0001", name(person)));
    remove.textContent = "×";
    remove.addEventListener("click", () => { all.splice(place, 1); draw(); entry.focus(); });
    sign.append(text, remove);
    return sign;
  }

  function take() {
    const typed = people(entry.value);
    if (!typed.length) return false;
    const known = new Set(all.map((person) => address(person).toLowerCase()));
    all = [...all, ...typed.filter((person) => !known.has(address(person).toLowerCase()))];
    entry.value = "";
    draw();
    return true;
  }

  function pressed(event) {
    if ((event.key === "Enter" && !event.metaKey && !event.ctrlKey) || event.key === "," || event.key === ";") {
      event.preventDefault();
      take();
    } else if (event.key === "Tab" && entry.value.trim()) {
      take();
    } else if (event.key === "Backspace" && !entry.value && all.length) {
      event.preventDefault();
      all.pop();
      draw();
    }
  }

  // A person chosen from the list is taken at once.
  const typed = (event) => {
    const chosen = event.inputType === "insertReplacementText" || event.inputType === undefined;
    const offered = [...box.querySelectorAll("option")].some((option) => option.value === entry.value);
    if (chosen && offered) take();
    else keep();
  };
  const clicked = (event) => { if (event.target === chips) entry.focus(); };

  entry.addEventListener("keydown", pressed);
  entry.addEventListener("input", typed);
  entry.addEventListener("blur", take);
  chips.addEventListener("click", clicked);
  chips.replaceChildren(...all.map(chip), entry);
  return () => chips.remove();
}
