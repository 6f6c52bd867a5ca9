// What every request needs: the CSRF token, a word when it fails, and no second press while it runs.
import { all, one } from "./dom.js";

const BUSY_AT_MOST_MS = 8000;

function fail(what, text) {
  const box = one("#failed");
  if (!box) return;
  one("[data-failed-what]", box).textContent = what;
  one("[data-failed-text]", box).textContent = text;
  box.hidden = false;
}

/** Names the act by the words on its button. */
function nameOf(event) {
  const source = event.detail.requestConfig?.triggeringEvent?.submitter ?? event.detail.elt;
  const button = source?.closest?.("button, a.btn") ?? one("button[type=submit]", source ?? document.body);
  const label = button?.cloneNode(true);
  label?.querySelectorAll(".keys").forEach((keys) => keys.remove());
  return label?.textContent.trim() || "The request";
}

/** Whether the page asked by itself: told by the server, or by the clock. The live sign covers those. */
function isUnasked(event) {
  const type = event.detail.requestConfig?.triggeringEvent?.type;
  return type === undefined || type === "live";
}

/** A refusal in words is plain text; a form to show again is HTML. */
const isPlain = (xhr) => xhr.getResponseHeader("content-type")?.startsWith("text/plain") ?? false;

export function startRequests() {
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status !== 422 || !isPlain(event.detail.xhr)) return;
    event.detail.shouldSwap = false;
    event.detail.isError = true;
  });
  document.addEventListener("htmx:configRequest", (event) => {
    const token = one('meta[name="csrf-token"]')?.content;
    if (token) event.detail.headers["X-CSRF-Token"] = token;
  });
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401) {
      fail("You are signed out.", "Reload the page to sign in again. The engine still pages.");
      return;
    }
    if (isUnasked(event)) return;
    const said = isPlain(event.detail.xhr) ? event.detail.xhr.responseText.slice(0, 300) : "";
    const why = said ? said
      : status === 403 ? "You are not allowed to do this, or the page is too old. Reload it."
      : status === 409 || status === 404 ? "It changed in the meantime. Reload the page to see how it is now."
      : `The server answered ${status}. Nothing was changed that you can rely on; try again.`;
    fail(`${nameOf(event)}: not done.`, why);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      if (isUnasked(event)) return;
      fail(`${nameOf(event)}: not sent.`, "There was no answer. Check the connection and press again.");
    });
  }
  document.addEventListener("htmx:afterOnLoad", () => { const box = one("#failed"); if (box) box.hidden = true; });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-close-failed]")) one("#failed").hidden = true;
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.busy) return event.preventDefault();
    form.dataset.busy = "1";
    event.submitter?.setAttribute("aria-busy", "true");
    setTimeout(() => free(form), BUSY_AT_MOST_MS);
  });
  // htmx would queue a second press; an act that is under way is not asked for again.
  document.addEventListener("htmx:confirm", (event) => {
    if (event.detail.verb !== "get" && event.detail.elt.closest?.("form")?.dataset.busy) event.preventDefault();
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = event.detail.elt.closest?.("form");
    if (form && event.detail.requestConfig.verb !== "get") form.dataset.busy = "1";
  });
  document.addEventListener("htmx:afterRequest", (event) => free(event.detail.elt.closest?.("form")));
  addEventListener("pageshow", () => all("form[data-busy]").forEach(free));
}

function free(form) {
  if (!form) return;
  delete form.dataset.busy;
  all("[aria-busy]", form).forEach((button) => button.removeAttribute("aria-busy"));
}
