// The button that lets this browser be told also while no page is open. It asks for leave only when it is pressed.
const raw = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export function connect(form) {
  const button = form.querySelector("button");
  const say = (why) => { form.querySelector("[data-why]").textContent = why; };

  async function isKnown() {
    const registration = await navigator.serviceWorker.getRegistration("/");
    const found = await registration?.pushManager.getSubscription();
    if (!found) return false;
    const mark = hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(found.endpoint)));
    return Boolean(document.querySelector(`[data-mark="${mark}"]`));
  }

  async function subscribe() {
    const registration = await navigator.serviceWorker.register(form.dataset.worker, { scope: "/" });
    await navigator.serviceWorker.ready;
    const key = { userVisibleOnly: true, applicationServerKey: raw(form.dataset.key) };
    const made = (await registration.pushManager.subscribe(key)).toJSON();
    Object.entries({ endpoint: made.endpoint, key: made.keys.p256dh, secret: made.keys.auth })
      .forEach(([name, value]) => { form.elements[name].value = value; });
    form.submit();
  }

  async function begin() {
    if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) return say(form.dataset.unable);
    form.hidden = await isKnown();
    button.disabled = false;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      if (await Notification.requestPermission() !== "granted") throw new Error(form.dataset.denied);
      await subscribe();
    } catch (failure) {
      say(failure.message);
      button.disabled = false;
    }
  });
  begin();
}
