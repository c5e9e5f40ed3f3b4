// Where the words of a form are written: its text field, or the editor that stands in for it. `before()` gives what
// stands in front of the cursor, `put(words, from)` writes in place of what stands there since `from`.
const writers = new WeakMap();

export const writerOf = (form) => writers.get(form) ?? plain(form.elements.body ?? form.elements.text);
export const setWriter = (form, writer) => (writer ? writers.set(form, writer) : writers.delete(form));

function plain(text) {
  return {
    element: text,
    field: text, // what says "input"
    focus: () => text.focus(),
    before: () => (text.selectionStart === text.selectionEnd ? text.value.slice(0, text.selectionStart) : ""),
    put(words, from) {
      text.setSelectionRange(from, text.selectionStart);
      // Kept in the browser's own list of what can be undone.
      if (!document.execCommand("insertText", false, words)) text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
      text.dispatchEvent(new Event("input", { bubbles: true }));
    },
  };
}
