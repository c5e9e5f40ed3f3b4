// "2m" grows old: once a minute the short ages are written anew, in the words the server gave.
const { ageNow, ageMinutes, ageHours } = document.body.dataset;

function age(seconds) {
  if (seconds < 60) return ageNow;
  if (seconds < 3600) return ageMinutes.replace("#", Math.floor(seconds / 60));
  return ageHours.replace("#", Math.floor(seconds / 3600));
}

function refresh() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.now() - Date.parse(element.dateTime)) / 1000;
    if (seconds < 6 * 3600) element.textContent = age(seconds);
  }
}

setInterval(refresh, 60_000);
