// The bell: the badge and the title of the tab follow the list, which reads itself again when its signal comes.
export function connect(menu) {
  const button = document.getElementById("bell-button");
  const badge = button.querySelector(".rail-badge");

  let unread = Number(menu.dataset.unread);

  function follow() {
    const head = menu.querySelector(".bell-unread");
    if (!head || Number(head.dataset.unread) === unread) return;
    unread = Number(head.dataset.unread);
    badge.hidden = !unread;
    badge.textContent = unread > 99 ? "99+" : unread;
    button.setAttribute("aria-label", unread ? `${button.dataset.label}: ${head.textContent}` : button.dataset.label);
    title();
  }

  function title() {
    const plain = document.title.replace(/^\(\d+\+?\) /, "");
    const wanted = unread ? `(${unread > 99 ? "99+" : unread}) ${plain}` : plain;
    if (document.title !== wanted) document.title = wanted;
  }

  const lists = new MutationObserver(follow);
  const titles = new MutationObserver(title);
  lists.observe(menu, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-unread"] });
  titles.observe(document.head, { childList: true, subtree: true, characterData: true });
  title();
  return () => { lists.disconnect(); titles.disconnect(); };
}
