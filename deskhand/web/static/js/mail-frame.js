// A mail in its frame is as tall as it needs to be. Scripts do not run in there; only its height is read.
export function connect(frame) {
  const fit = () => {
    const page = frame.contentDocument?.documentElement;
    if (page) frame.style.blockSize = `${Math.ceil(page.getBoundingClientRect().height) + 2}px`;
  };
  const watch = () => { fit(); if (frame.contentDocument?.body) observer.observe(frame.contentDocument.body); };
  const observer = new ResizeObserver(fit);
  frame.addEventListener("load", watch);
  watch();
  return () => observer.disconnect();
}
