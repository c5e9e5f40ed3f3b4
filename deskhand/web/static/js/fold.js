// A section that is folded stays so, on every page and machine.
export function connect(section) {
  let was = section.open;
  const toggled = () => {
    if (section.open === was) return; // told of its first state
    was = section.open;
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const body = new URLSearchParams({ section: section.dataset.section, folded: was ? "0" : "1", csrfmiddlewaretoken: token });
    fetch(section.dataset.foldUrl, { method: "POST", body, headers: { "HX-Request": "true" } });
  };
  section.addEventListener("toggle", toggled);
}
