// The command palette: filters what the page put into it, finds an incident by number, runs the choice.
import { all, one } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { press } from "./keyboard.js";
import { setTheme } from "./theme.js";

export function startPalette() {
  const dialog = one("#palette");
  if (!dialog) return;
  const input = one("[data-palette-input]", dialog);
  const numbered = one("[data-palette-number]", dialog);
  const items = () => all("[data-palette-item]", dialog).filter((item) => item.getClientRects().length > 0);

  function choose(item) {
    all('[aria-selected="true"]', dialog).forEach((other) => { other.ariaSelected = "false"; });
    if (!item) return input.removeAttribute("aria-activedescendant");
    item.id ||= `pi-${Math.floor(performance.now())}`;
    item.ariaSelected = "true";
    item.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", item.id);
  }

  function filter() {
    const words = input.value.trim().toLowerCase();
    const number = /^#?(\d{1,12})$/.exec(words)?.[1];
    numbered.hidden = !number;
    if (number) {
      const item = one("[data-palette-item]", numbered);
      item.dataset.href = dialog.dataset.numberUrl + number;
      one("[data-palette-number-label]", numbered).textContent = `Open incident #${number}`;
    }
    for (const group of all("[data-palette-group]", dialog)) {
      if (group === numbered) continue;
      const inTitle = one("h3", group).textContent.toLowerCase();
      let shown = 0;
      for (const item of all("[data-palette-item]", group)) {
        const text = `${item.textContent} ${inTitle}`.toLowerCase();
        item.hidden = !words.split(/\s+/).every((word) => text.includes(word));
        shown += item.hidden ? 0 : 1;
      }
      group.hidden = shown === 0;
    }
    const found = items();
    one("[data-palette-none]", dialog).hidden = found.length > 0;
    choose(found[0]);
  }

  function run(item) {
    dialog.close();
    if (!item) {
      const words = input.value.trim();
      if (words) location.assign(`/app/incidents?q=${encodeURIComponent(words)}`);
    } else if (item.dataset.themeSet !== undefined) setTheme(item.dataset.themeSet);
    else if (item.dataset.press === "?") openDialog("help");
    else if (item.dataset.press) press(item.dataset.press);
    else if (item.dataset.href) location.assign(item.dataset.href);
  }

  dialog.addEventListener("tocsin:open", () => { input.value = ""; filter(); input.focus(); });
  input.addEventListener("input", filter);
  dialog.addEventListener("click", (event) => {
    const item = event.target.closest("[data-palette-item]");
    if (item) run(item);
  });
  dialog.addEventListener("pointermove", (event) => {
    const item = event.target.closest("[data-palette-item]");
    if (item && item.ariaSelected !== "true") choose(item);
  });
  input.addEventListener("keydown", (event) => {
    const list = items();
    const at = list.findIndex((item) => item.ariaSelected === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      choose(list[(at + step + list.length) % list.length]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(list[at]);
    }
  });
}
