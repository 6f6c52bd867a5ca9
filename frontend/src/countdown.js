// Counts from the seconds the server saw left, by differences only: the reader's clock may be wrong.
import { all, forEachNew } from "./dom.js";

const ends = new WeakMap();

export function format(seconds) {
  const left = Math.round(seconds);
  if (left <= 0) return "now";
  const pad = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(left / 3600);
  const minutes = Math.floor((left % 3600) / 60);
  return hours ? `${hours}:${pad(minutes)}:${pad(left % 60)}` : `${minutes}:${pad(left % 60)}`;
}

function draw() {
  const now = performance.now();
  for (const element of all("[data-countdown], [data-ring]")) {
    const end = ends.get(element);
    if (end === undefined) continue;
    const left = Math.max(0, (end - now) / 1000);
    if (element.dataset.ring !== undefined) {
      const share = (100 * left) / Number(element.dataset.ringTotal || 1);
      element.setAttribute("stroke-dasharray", `${Math.min(100, share).toFixed(1)} 100`);
    } else {
      const text = left > 0 ? format(left) : (element.dataset.countdownEnd ?? "now");
      if (element.textContent !== text) element.textContent = text;
    }
  }
}

export function startCountdown() {
  forEachNew("[data-countdown], [data-ring]", (element) => {
    const seconds = Number(element.dataset.countdown ?? element.dataset.ring);
    if (Number.isFinite(seconds)) ends.set(element, performance.now() + seconds * 1000);
  });
  setInterval(draw, 1000);
}
