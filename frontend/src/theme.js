// Light, dark, or as the system. The choice is a cookie, so that the server draws the next page in it
// from the first byte and nothing flashes.
import { all } from "./dom.js";

const COOKIE = "tocsin_theme";
const YEAR_SECONDS = 31_536_000;

export function setTheme(theme) {
  const root = document.documentElement;
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  const scheme = document.querySelector('meta[name="color-scheme"]');
  if (scheme) scheme.content = theme || "light dark";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${COOKIE}=${theme}; Path=/; Max-Age=${theme ? YEAR_SECONDS : 0}; SameSite=Lax${secure}`;
  all("button[data-theme-set]").forEach((button) => {
    button.ariaPressed = String(button.dataset.themeSet === theme);
  });
}

export function startTheme() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-theme-set]");
    if (button) setTheme(button.dataset.themeSet);
  });
}
