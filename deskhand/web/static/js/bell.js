// The bell: its button opens the list; badge and tab title follow the list, which reads itself again by its signal.
export function connect(menu) {
  const button = document.getElementById("bell-button");
  const badge = button.querySelector(".rail-badge");
  let unread = Number(menu.dataset.waiting);

  function follow() {
    const head = menu.querySelector(".bell-unread");
    if (!head || Number(head.dataset.waiting) === unread) return;
    unread = Number(head.dataset.waiting);
    badge.hidden = !unread;
    badge.textContent = unread > 99 ? "99+" : unread;
    button.setAttribute("aria-label", unread ? `${button.title}: ${head.textContent}` : button.title);
    title();
  }

  function title() {
    const plain = document.title.replace(/^\(\d+\+?\) /, "");
    const wanted = unread ? `(${badge.textContent}) ${plain}` : plain;
    if (document.title !== wanted) document.title = wanted;
  }

  button.setAttribute("role", "button");
  button.setAttribute("aria-expanded", "false");
  button.onclick = (event) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    menu.togglePopover({ source: button });
  };
  button.onkeydown = (event) => event.key === " " && (event.preventDefault(), button.click());
  menu.addEventListener("toggle", (event) => {
    button.setAttribute("aria-expanded", event.newState === "open");
    menu.dispatchEvent(new Event(event.newState));
  });
  const lists = new MutationObserver(follow);
  const titles = new MutationObserver(title);
  lists.observe(menu, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-waiting"] });
  titles.observe(document.head, { childList: true, subtree: true, characterData: true });
  title();
  return () => { lists.disconnect(); titles.disconnect(); };
}
