// Selection in a list: counts, shows the acts in the footer's place, and remembers across live updates.
import { all, forEachNew, one } from "./dom.js";

const boxes = (form) => all("input[data-select]", form);

export function update(form) {
  const list = boxes(form);
  const chosen = list.filter((box) => box.checked);
  for (const box of list) box.closest("[data-row]")?.classList.toggle("sel", box.checked);
  const bar = one("[data-bulk-bar]", form);
  if (!bar) return;
  bar.classList.toggle("on", chosen.length > 0);
  one("[data-bulk-count]", bar).textContent = `${chosen.length} selected`;
  const every = one("input[data-select-all]", form);
  if (every) {
    every.checked = chosen.length > 0 && chosen.length === list.length;
    every.indeterminate = chosen.length > 0 && chosen.length < list.length;
  }
}

export function clearSelection() {
  const forms = all("form[data-bulk]").filter((form) => boxes(form).some((box) => box.checked));
  for (const form of forms) {
    for (const box of boxes(form)) box.checked = false;
    update(form);
  }
  return forms.length > 0;
}

export function startBulk() {
  let last = null;
  forEachNew("form[data-bulk]", update);
  document.addEventListener("tocsin:rows", (event) => {
    const form = event.target.closest("form[data-bulk]");
    if (form) update(form);
  });
  document.addEventListener("click", (event) => {
    const box = event.target;
    const form = box.closest?.("form[data-bulk]");
    if (!form) return;
    if (box.closest("[data-bulk-clear]")) clearSelection();
    if (box.matches("input[data-select-all]")) boxes(form).forEach((each) => { each.checked = box.checked; });
    if (box.matches("input[data-select]")) {
      const list = boxes(form);
      if (event.shiftKey && last && list.includes(last)) {
        const [from, to] = [list.indexOf(last), list.indexOf(box)].sort((a, b) => a - b);
        for (const each of list.slice(from, to + 1)) each.checked = box.checked;
      }
      last = box;
    }
    update(form);
  });
}
