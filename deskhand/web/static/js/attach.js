// Files of the reply form: chosen, dropped or pasted, they go to the server at once, stay with the draft, and
// leave with the message. While one is under way its line shows how far it is, and sending waits.
import { complain } from "app/toast";
import { writerOf } from "app/writer";

export function connect(form) {
  const input = form.querySelector("input[type=file]");
  const list = form.querySelector("#composer-files");
  const send = form.querySelector("[data-send]");
  if (!input) return undefined;
  const running = new Set();
  let queue = Promise.resolve();
  let depth = 0;

  const named = (text, name) => text.replace("\u0001", name);

  function line(name) {
    const row = document.createElement("div");
    const bar = document.createElement("progress");
    row.className = "file file-uploading";
    row.textContent = name;
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", named(input.dataset.uploading, name));
    row.append(bar);
    list.append(row);
    return [row, bar];
  }

  function upload(file) {
    const [row, bar] = line(file.name);
    const request = new XMLHttpRequest();
    const data = new FormData();
    data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    data.append("file", file);
    running.add(request);
    send.setAttribute("aria-disabled", "true");
    return new Promise((done) => {
      request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
      request.addEventListener("loadend", () => {
        running.delete(request);
        if (!running.size) send.removeAttribute("aria-disabled");
        row.remove();
        if (request.status === 200) show(request.responseText);
        else complain(request.status >= 400 && request.status < 500 && request.responseText.length < 400 ? request.responseText : named(input.dataset.failed, file.name));
        done();
      });
      request.open("POST", input.dataset.filesUrl);
      request.setRequestHeader("HX-Request", "true");
      request.send(data);
    });
  }

  function show(markup) {
    const under = [...list.querySelectorAll(".file-uploading")];
    list.replaceChildren(...new DOMParser().parseFromString(markup, "text/html").body.childNodes, ...under);
  }

  // One after the other: the server counts them together.
  function take(files) {
    const all = [...files];
    const sum = all.reduce((size, file) => size + file.size, 0);
    if (sum > Number(input.dataset.largest)) return complain(input.dataset.tooLarge);
    for (const file of all) queue = queue.then(() => form.isConnected && upload(file));
    return undefined;
  }

  const chosen = () => { take(input.files); input.value = ""; };
  const pasted = (event) => {
    const files = event.clipboardData?.files ?? [];
    if (!files.length || event.clipboardData.types.includes("text/plain")) return; // cells of a table come as a picture, too
    event.preventDefault();
    event.stopPropagation();
    take(files);
  };

  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const pane = form.closest(".pane") ?? form;
  const entered = (event) => { if (carriesFiles(event)) { depth += 1; form.dataset.dropping = ""; } };
  const left = (event) => { if (carriesFiles(event) && (depth -= 1) <= 0) delete form.dataset.dropping; };
  const over = (event) => { if (carriesFiles(event)) event.preventDefault(); };
  const dropped = (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    delete form.dataset.dropping;
    take(event.dataTransfer.files);
  };

  async function clicked(event) {
    const button = event.target.closest("[data-remove-file]");
    if (!button) return;
    event.preventDefault();
    const data = new FormData();
    data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    const answer = await fetch(button.formAction, { method: "POST", body: data, headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.ok) { show(await answer.text()); (list.querySelector("[data-remove-file]") ?? writerOf(form)).focus(); }
    else complain(answer && answer.status < 500 ? await answer.text() : document.getElementById("toasts").dataset.unreachable);
  }

  const sending = (event) => {
    if (!running.size) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    queue.then(() => form.isConnected && form.requestSubmit(event.submitter));
  };

  input.addEventListener("change", chosen);
  form.addEventListener("paste", pasted, true);
  form.addEventListener("click", clicked);
  form.addEventListener("submit", sending, true);
  pane.addEventListener("dragenter", entered);
  pane.addEventListener("dragleave", left);
  pane.addEventListener("dragover", over);
  pane.addEventListener("drop", dropped);
  return () => {
    running.forEach((request) => request.abort());
    pane.removeEventListener("dragenter", entered);
    pane.removeEventListener("dragleave", left);
    pane.removeEventListener("dragover", over);
    pane.removeEventListener("drop", dropped);
  };
}
