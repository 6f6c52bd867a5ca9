// Dialogs and small panels. Without this, a dialog's link shows it by its address (:target).
import { all, isTyping, one } from "./dom.js";

export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open || typeof dialog.showModal !== "function") return false;
  all("details[data-menu][open]").forEach((menu) => { menu.open = false; });
  dialog.showModal();
  const field = one("[autofocus], .field input:not([type=hidden]), .field textarea, .field select", dialog);
  field?.focus();
  dialog.dispatchEvent(new CustomEvent("tocsin:open", { bubbles: true }));
  return true;
}

export function startDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-dialog]");
    if (opener) {
      if (openDialog(opener.dataset.dialog)) event.preventDefault();
      return;
    }
    const closer = event.target.closest?.("[data-close]");
    const dialog = closer?.closest("dialog");
    if (dialog?.open) {
      event.preventDefault();
      dialog.close();
      return;
    }
    // A press on the backdrop hits the dialog itself; its content is always inside a child.
    if (event.target.tagName === "DIALOG" && event.target.open && event.target.matches(":modal")) event.target.close();
    all("details[data-menu][open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  // A link with role=button is pressed by the space bar as well.
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || isTyping(event.target)) return;
    if (event.target.matches?.('a[role="button"]')) {
      event.preventDefault();
      event.target.click();
    }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest?.("dialog form");
    if (form && event.detail.successful && !event.detail.xhr.getResponseHeader("HX-Retarget")) form.closest("dialog").close();
  });
}
