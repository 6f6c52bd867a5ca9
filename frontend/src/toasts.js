// A toast leaves after its seconds; the clock stands while the pointer or the focus is on it.
import { forEachNew } from "./dom.js";

export function startToasts() {
  forEachNew("[data-toast]", (toast) => {
    let left = Number(toast.dataset.toast) || 10;
    const timer = setInterval(() => {
      if (toast.matches(":hover, :focus-within")) return;
      left -= 1;
      if (left > 0 && toast.isConnected) return;
      clearInterval(timer);
      toast.remove();
    }, 1000);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-close-toast]")) event.target.closest("[data-toast]").remove();
  });
}
