// Puts a token into a text where the cursor was last, and goes on there.
export function connect(box) {
  box.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-token]");
    if (!chosen) return;
    const text = document.getElementById(box.dataset.into);
    chosen.closest("[popover]").hidePopover();
    text.focus();
    text.setRangeText(chosen.dataset.token, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
