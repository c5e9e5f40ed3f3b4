// Pictures that a mail shows from elsewhere: asked for, they come through our server.
export function connect(notice) {
  const show = () => {
    const frame = notice.parentElement.querySelector(".message-frame");
    const place = () => {
      const pictures = frame.contentDocument?.querySelectorAll("img[data-src]") ?? [];
      for (const [number, picture] of [...pictures].entries()) picture.src = `${notice.dataset.url}${number}`;
      return pictures.length;
    };
    if (!place()) frame.addEventListener("load", place, { once: true });
    frame.focus();
    notice.hidden = true;
  };
  notice.querySelector("[data-show-pictures]").addEventListener("click", show);
}
