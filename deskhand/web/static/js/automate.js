// The drawer is open while it has content. Closing empties it; focus goes back to what opened it.
export function connect(drawer) {
  let opener = "";

  const follow = new MutationObserver(() => {
    if (drawer.querySelector(".drawer-head")) open();
    else if (drawer.open) drawer.close();
  });

  function open() {
    if (!drawer.open) {
      opener = document.activeElement?.id || document.activeElement?.closest("[id]")?.id || "";
      drawer.showModal();
    }
    const first = drawer.querySelector("[aria-invalid], .field input:not([type=hidden]), .field select, .field textarea");
    (first ?? drawer.querySelector("h2"))?.focus();
  }

  function closed() {
    drawer.replaceChildren();
    const back = document.getElementById(opener);
    (back?.matches("a, button") ? back : back?.querySelector("a, button"))?.focus();
  }

  function clicked(event) {
    if (!event.target.closest("[data-close-drawer]")) return;
    event.preventDefault();
    drawer.close();
  }

  follow.observe(drawer, { childList: true });
  drawer.addEventListener("close", closed);
  drawer.addEventListener("click", clicked);
  return () => follow.disconnect();
}
