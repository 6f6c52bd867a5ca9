// Copy buttons. On plain http there is no clipboard interface, so a selection is copied instead.

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "vh";
  area.readOnly = true;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copying was refused");
}

export function startCopy() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const label = button.querySelector("[data-copy-label]");
    const before = label?.dataset.copyLabel || label?.textContent;
    if (label) label.dataset.copyLabel = before;
    let said = "Copied";
    try {
      await copy(button.dataset.copy);
    } catch {
      said = "Select and copy by hand";
    }
    if (!label) return;
    label.textContent = said;
    setTimeout(() => { label.textContent = before; }, 2000);
  });
}
