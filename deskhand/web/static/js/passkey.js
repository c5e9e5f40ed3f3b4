// A form that asks the browser for a passkey before it goes. It carries the question in data-options, or fetches it
// from data-options-url; with data-makes it makes a new key. A refusal is said beside the button.
const supported = () => Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);

export function connect(form) {
  const refused = form.querySelector("[data-refused]");
  let done = false;

  async function question() {
    if (form.dataset.options) return JSON.parse(form.dataset.options).publicKey;
    const answer = await fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } });
    return (await answer.json()).request_options.publicKey;
  }

  // A key that lets in alone must be found by itself, and must know its owner.
  function alone(options) {
    const isAlone = Boolean(form.elements.passwordless?.checked);
    const wanted = { residentKey: isAlone ? "required" : "discouraged", requireResidentKey: isAlone };
    if (isAlone) wanted.userVerification = "required";
    return { ...options, authenticatorSelection: { ...options.authenticatorSelection, ...wanted } };
  }

  async function ask() {
    const options = await question();
    if (!("makes" in form.dataset)) {
      return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    }
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(alone(options)) });
  }

  async function submitted(event) {
    if (done) return;
    event.preventDefault();
    refused.hidden = true;
    try {
      form.elements.credential.value = JSON.stringify((await ask()).toJSON());
      done = true;
      form.requestSubmit();
    } catch {
      refused.hidden = false;
    }
  }

  if (!supported()) refused.hidden = false;
  form.addEventListener("submit", submitted);
}
