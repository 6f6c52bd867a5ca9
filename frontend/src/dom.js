// Small questions about the page that several parts ask.

export const all = (selector, within = document) => [...within.querySelectorAll(selector)];
export const one = (selector, within = document) => within.querySelector(selector);

/** Runs for what is on the page now and for everything htmx puts there later. */
export function forEachNew(selector, act) {
  const visit = (root) => {
    if (root.matches?.(selector)) act(root);
    all(selector, root).forEach(act);
  };
  visit(document);
  document.addEventListener("htmx:load", (event) => visit(event.detail.elt));
}

/** Whether a person could press it: laid out, not disabled. */
export function isUsable(element) {
  return element.getClientRects().length > 0 && !element.disabled && element.ariaDisabled !== "true";
}

/** Whether keys belong to what has the focus rather than to the page. */
export function isTyping(target) {
  return Boolean(target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]"));
}
