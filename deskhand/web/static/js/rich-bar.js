// The buttons of the editor: one stop of the Tab key, arrows within, pressed where the cursor stands in their kind.
const isOneLine = (editor) => !editor.state.selection.empty && editor.state.selection.$from.sameParent(editor.state.selection.$to);

const DOES = {
  bold: (chain) => chain.toggleBold(),
  italic: (chain) => chain.toggleItalic(),
  bulletList: (chain) => chain.toggleBulletList(),
  orderedList: (chain) => chain.toggleOrderedList(),
  blockquote: (chain) => chain.toggleBlockquote(),
  code: (chain, editor) => (editor.isActive("code") || (isOneLine(editor) && !editor.isActive("codeBlock")) ? chain.toggleCode() : chain.toggleCodeBlock()),
  clear: (chain) => chain.unsetAllMarks().clearNodes(),
};
const IS = { code: (editor) => editor.isActive("code") || editor.isActive("codeBlock"), clear: () => false };

function address(typed) {
  const said = typed.trim();
  if (/^(?:https?:\/\/|mailto:|tel:)/i.test(said) || !said) return said;
  return /^[^\s/@]+@[^\s/@]+$/.test(said) ? `mailto:${said}` : `https://${said}`;
}

export function toolbar(form, editor) {
  const bar = form.querySelector("[data-rich-bar]");
  const line = form.querySelector("[data-rich-link]");
  const field = line.querySelector("input");
  const buttons = [...bar.querySelectorAll("[data-format]")];

  function show() {
    for (const button of buttons) {
      const { format } = button.dataset;
      if (format !== "clear") button.setAttribute("aria-pressed", String((IS[format] ?? (() => editor.isActive(format)))(editor)));
    }
  }
  function stop(at) {
    for (const button of buttons) button.tabIndex = button === at ? 0 : -1;
  }
  function ask(isOpen) {
    line.hidden = !isOpen;
    bar.querySelector("[data-format=link]").setAttribute("aria-expanded", String(isOpen));
    field.value = isOpen ? editor.getAttributes("link").href ?? "" : "";
    if (isOpen) field.focus();
    else editor.commands.focus();
  }
  function link(href) {
    const chain = editor.chain().focus();
    if (!href) chain.extendMarkRange("link").unsetLink().run();
    else if (editor.state.selection.empty && !editor.isActive("link")) chain.insertContent({ type: "text", text: href.replace(/^mailto:/, ""), marks: [{ type: "link", attrs: { href } }] }).run();
    else chain.extendMarkRange("link").setLink({ href }).run();
    ask(false);
  }

  function clicked(event) {
    const button = event.target.closest("[data-format]");
    if (!button) return;
    stop(button);
    if (button.dataset.format === "link") ask(line.hidden);
    else DOES[button.dataset.format](editor.chain().focus(), editor).run();
  }
  function moved(event) {
    const at = buttons.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (event.key === "Escape") editor.commands.focus();
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = buttons.at(to % buttons.length);
    stop(next);
    next.focus();
  }
  function asked(event) {
    const isMod = event.ctrlKey || event.metaKey;
    if (!["Enter", "Escape"].includes(event.key) || event.target !== field || isMod) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") link(address(field.value));
    else ask(false);
  }
  const chosen = (event) => {
    const button = event.target.closest("[data-link]");
    if (button) link(button.dataset.link === "set" ? address(field.value) : "");
  };

  bar.hidden = false;
  stop(buttons[0]);
  show();
  editor.on("transaction", show);
  bar.addEventListener("click", clicked);
  bar.addEventListener("keydown", moved);
  line.addEventListener("keydown", asked);
  line.addEventListener("click", chosen);
  return () => {
    bar.hidden = line.hidden = true;
    bar.removeEventListener("click", clicked);
    bar.removeEventListener("keydown", moved);
    line.removeEventListener("keydown", asked);
    line.removeEventListener("click", chosen);
  };
}
