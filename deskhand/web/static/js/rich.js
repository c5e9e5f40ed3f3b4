// The editor with formatting. It stands in for the text field of a form, keeps what it writes in the form's own fields
// ("html", and "body" as plain words), and says "input" there.
import * as Made from "vendor/prosemirror";
import { setWriter } from "app/writer";
import { toolbar } from "app/rich-bar";

const escaped = (words) => words.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const markup = (words) => words.split(/\n{2,}/).map((part) => `<p>${escaped(part).replaceAll("\n", "<br>")}</p>`).join("");
const hung = (sign, words) => sign + words.replaceAll("\n", `\n${" ".repeat(sign.length)}`);

const addressOf = (node) => node?.marks?.find((mark) => mark.type === "link")?.attrs.href ?? "";

// A link's words with its address, as the server writes them (kernel/written_html.py).
function named(words, href) {
  const bare = href.replace(/^mailto:/, "").replace(/^tel:/, "");
  return !href || [words.trim(), `https://${words}`, `http://${words}`].includes(bare.replace(/\/+$/, "")) ? words : `${words} <${bare}>`;
}

function line(nodes = []) {
  let said = "";
  let words = "";
  nodes.forEach((node, place) => {
    words += node.type === "hardBreak" ? "\n" : node.text ?? "";
    if (addressOf(node) === addressOf(nodes[place + 1])) return;
    said += named(words, addressOf(node));
    words = "";
  });
  return said + words;
}

function lines(nodes = [], gap = "\n\n") {
  return nodes.map((node) => {
    if (node.type === "bulletList") return node.content.map((item) => hung("- ", lines(item.content, "\n"))).join("\n");
    if (node.type === "orderedList") return node.content.map((item, place) => hung(`${(node.attrs.start ?? 1) + place}. `, lines(item.content, "\n"))).join("\n");
    if (node.type === "blockquote") return lines(node.content).replace(/^/gm, "> ");
    return line(node.content);
  }).join(gap);
}

function styles(address) {
  if (document.querySelector(`link[href="${address}"]`)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = address;
  document.head.append(link);
}

function made(form, text, element) {
  const { html } = form.elements;
  const attributes = { role: "textbox", "aria-multiline": "true", "aria-label": text.getAttribute("aria-label") ?? text.labels[0].textContent };
  for (const name of ["aria-autocomplete", "aria-controls", "aria-describedby", "aria-invalid"]) if (text.hasAttribute(name)) attributes[name] = text.getAttribute(name);
  const parts = ["Document", "Paragraph", "Text", "HardBreak", "Bold", "Italic", "BulletList", "OrderedList", "ListItem", "Blockquote", "Code", "CodeBlock", "UndoRedo"];
  return new Made.Editor({
    element,
    injectCSS: false, // the content policy takes no styles from scripts
    extensions: [
      ...parts.map((name) => Made[name]),
      Made.Link.configure({ openOnClick: false, defaultProtocol: "https", HTMLAttributes: { rel: null, target: null } }),
      Made.Placeholder.configure({ placeholder: text.placeholder }),
    ],
    content: html.value || markup(text.value),
    editorProps: { attributes },
  });
}

export function open(form) {
  const text = form.elements.body;
  const { html } = form.elements;
  const box = form.querySelector("[data-rich-text]");
  const hadFocus = document.activeElement === text;
  styles(box.dataset.styles);
  const editor = made(form, text, box);
  const bar = toolbar(form, editor);

  function keep() {
    html.value = editor.isEmpty ? "" : editor.getHTML();
    text.value = editor.isEmpty ? "" : lines(editor.getJSON().content);
  }
  function changed() {
    keep();
    html.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const writer = {
    element: editor.view.dom,
    field: html,
    focus: () => editor.commands.focus(),
    before() {
      const { $from, empty } = editor.state.selection;
      return empty && !editor.isActive("codeBlock") ? $from.parent.textBetween(0, $from.parentOffset, "\n", "\n") : "";
    },
    put(words, from) {
      const { $from } = editor.state.selection;
      editor.chain().focus().setTextSelection({ from: $from.start() + from, to: $from.pos }).run();
      if (words.includes("\n")) editor.view.pasteHTML(markup(words));
      else if (words) editor.commands.insertContent({ type: "text", text: words });
      else editor.commands.deleteSelection();
    },
  };

  keep();
  html.disabled = false;
  text.required = false;
  text.hidden = true;
  box.hidden = false;
  setWriter(form, writer);
  editor.on("update", changed);
  if (hadFocus) editor.commands.focus("end");

  return () => {
    keep();
    setWriter(form, null);
    bar();
    editor.destroy();
    html.disabled = true;
    html.value = "";
    box.hidden = true;
    text.hidden = false;
    text.required = true;
  };
}
