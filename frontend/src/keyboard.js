// The keyboard map. Keys act on data attributes, so a page gets them by its markup alone:
// data-row, data-open, data-select, data-search, data-key, data-go.
import { all, isTyping, isUsable, one } from "./dom.js";
import { clearSelection, update } from "./bulk.js";
import { openDialog } from "./dialogs.js";

const GO_WITHIN_MS = 1500;

const rows = () => all("[data-row]").filter((row) => row.getClientRects().length > 0);
const current = () => one("[data-row].cur");
const linkOf = (row) => one("a[data-open]", row) ?? one("a[href]", row);

function move(step) {
  const list = rows();
  if (!list.length) return;
  const at = list.indexOf(current());
  const to = list[at < 0 ? (step > 0 ? 0 : list.length - 1) : Math.min(Math.max(at + step, 0), list.length - 1)];
  list[at]?.classList.remove("cur");
  to.classList.add("cur");
  linkOf(to)?.focus({ preventScroll: true });
  to.scrollIntoView({ block: "nearest" });
}

function toggleCurrent() {
  const box = one("input[data-select]", current() ?? document.createElement("i"));
  if (!box) return;
  box.checked = !box.checked;
  const form = box.closest("form[data-bulk]");
  if (form) update(form);
}

/** Presses the control that owns a key. In a list the acts need a selection: the current row becomes it. */
export function press(key) {
  const bar = one(`[data-bulk-bar] [data-key="${CSS.escape(key)}"]`);
  if (bar) {
    const form = bar.closest("form[data-bulk]");
    if (!one("input[data-select]:checked", form)) toggleCurrent();
    if (!one("input[data-select]:checked", form)) return false;
    bar.click();
    return true;
  }
  const button = all(`[data-key="${CSS.escape(key)}"]`).find(isUsable);
  button?.click();
  return Boolean(button);
}

function escape(event) {
  const menu = one("details[data-menu][open]");
  if (menu) {
    menu.open = false;
    one("summary", menu).focus();
  } else if (isTyping(event.target)) event.target.blur();
  else if (location.hash === "#menu") location.hash = "#main";
  else if (!clearSelection()) current()?.classList.remove("cur");
}

export function startKeyboard() {
  let goUntil = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.metaKey || event.ctrlKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openDialog("palette");
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || one("dialog:modal")) return;
    if (event.key === "Escape") return escape(event);
    if (isTyping(event.target)) return;
    const key = event.key;
    if (event.timeStamp < goUntil) {
      goUntil = 0;
      const link = one(`a[data-go="${CSS.escape(key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    if (event.repeat && key !== "j" && key !== "k") return;
    if (key === "g") goUntil = event.timeStamp + GO_WITHIN_MS;
    else if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
    else if (key === "x") toggleCurrent();
    else if (key === "?") openDialog("help");
    else if (key === "/") {
      const search = one("[data-search]");
      if (search) search.focus();
      else openDialog("palette");
      event.preventDefault();
    } else if (key.length === 1 && press(key)) event.preventDefault();
  });
}
