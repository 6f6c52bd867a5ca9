// Listens on /app/live. The server says only what changed; the page fetches it again through htmx, so
// that access is checked by that GET. A row that changes under the pointer waits until it leaves, and
// new rows are announced, never inserted.
import { all, forEachNew, one } from "./dom.js";

const DEBOUNCE_MS = 250;
const QUIET_MS = 25_000;
const STALE_MS = 45_000;
const HIDDEN_MS = 30_000;

// A press is over a moment after the pointer is up: the click comes then.
const PRESS_MS = 100;

const timers = new WeakMap();
const waiting = new Map();
let pressing = false;
let htmx;

/* ---- fetching again */

const names = (element) => element.dataset.live.split(/\s+/);

/** Holds while a reader is in it: the pointer on a row, a field with the focus, or what they opened.
    While anything is pressed all of the page holds still: what moved away would lose the press. */
function isHeld(element) {
  if (pressing) return true;
  if (element.matches(":has(:is(input:not([type=checkbox]), textarea, select):focus, dialog[open], details[open]:not([data-shown]))")) return true;
  return element.hasAttribute("data-row") && element.matches(":hover");
}

function refresh(element) {
  clearTimeout(timers.get(element));
  timers.set(element, setTimeout(() => {
    // While it waited, an answer that was older than what it waits for may have taken its place.
    if (!element.isConnected) return again(element);
    if (isHeld(element)) return timers.set(element, setTimeout(() => refresh(element), 1000));
    // htmx forgets what is asked of an element that the answer under way replaces.
    if (element.matches(".htmx-request")) return refresh(element);
    htmx.trigger(element, "live");
  }, DEBOUNCE_MS));
}

function again(element) {
  const heir = element.id && document.getElementById(element.id);
  if (heir?.hasAttribute("data-live")) refresh(heir);
}

function changed(subject) {
  const [kind, id] = subject.trim().split(/\s+/);
  if (kind === "everything") return refreshAll();
  const name = id ? `${kind}:${id}` : kind;
  all("[data-live]").filter((element) => names(element).includes(name)).forEach(refresh);
}

const refreshAll = () => all("[data-live]").forEach(refresh);

/* ---- lists: change rows in place, announce new ones */

/** What a row says, without what moves by itself: ages, and countdowns to the same moment. */
function gist(row) {
  const copy = row.cloneNode(true);
  for (const moving of all("[data-countdown], time", copy)) moving.replaceWith(moving.title);
  return copy.textContent;
}

function replaceRow(list, old, fresh) {
  const box = one("input[data-select]", fresh);
  if (box) box.checked = Boolean(one("input[data-select]", old)?.checked);
  fresh.classList.toggle("cur", old.classList.contains("cur"));
  const focused = old.contains(document.activeElement);
  old.replaceWith(fresh);
  htmx.process(fresh);
  if (focused) (one("a[data-open]", fresh) ?? one("a[href]", fresh))?.focus({ preventScroll: true });
  fresh.classList.toggle("changed", gist(old) !== gist(fresh));
}

function settle(list) {
  const state = waiting.get(list);
  if (!state || pressing) return;
  for (const [id, fresh] of state) {
    const old = one(`[data-row="${CSS.escape(id)}"]`, list);
    if (old?.matches(":hover")) continue;
    state.delete(id);
    if (!old) continue;
    if (fresh) replaceRow(list, old, fresh);
    else if (!list.matches(":hover")) old.remove();
    else state.set(id, null);
  }
  list.dispatchEvent(new CustomEvent("tocsin:rows", { bubbles: true }));
}

function mergeList(list, html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  const fresh = new Map(all("[data-row]", parsed.content).map((row) => [row.dataset.row, row]));
  const shown = new Map(all("[data-row]", list).map((row) => [row.dataset.row, row]));
  const state = new Map();
  for (const [id, row] of shown) {
    const next = fresh.get(id);
    if (!next) state.set(id, null);
    else if (next.textContent !== row.textContent) state.set(id, next);
  }
  waiting.set(list, state);
  settle(list);
  const news = [...fresh.keys()].filter((id) => !shown.has(id)).length;
  const sign = one("[data-new-rows]", list) ?? one("[data-new-rows]");
  if (sign) {
    sign.hidden = news === 0;
    sign.textContent = `${news} new`;
  }
}

/* ---- a press */

function startPressing() {
  let over = 0;
  const end = () => {
    clearTimeout(over);
    over = setTimeout(() => {
      pressing = false;
      waiting.forEach((state, list) => settle(list));
    }, PRESS_MS);
  };
  addEventListener("pointerdown", () => { clearTimeout(over); pressing = true; }, true);
  addEventListener("pointerup", end, true);
  // A scroll, or a finger that left: nothing will be clicked.
  addEventListener("pointercancel", end, true);
  addEventListener("blur", end);
}

/* ---- live or stale */

function startSign(meta) {
  let heardAt = performance.now();
  let open = false;
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: meta.dataset.zone || "UTC", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  let heardText = meta.dataset.at ? clock.format(new Date(meta.dataset.at)) : "";
  const since = (ms) => {
    const seconds = Math.floor(ms / 1000);
    return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  };
  function draw() {
    const quiet = performance.now() - heardAt;
    const stale = quiet > STALE_MS;
    const wait = !stale && (!open || quiet > QUIET_MS);
    const at = heardText ? ` ${heardText}` : "";
    for (const sign of all("[data-live-state]")) {
      sign.classList.remove("still");
      sign.classList.toggle("stale", stale);
      sign.classList.toggle("wait", wait);
      const short = sign.classList.contains("phone-only");
      const text = stale ? (short ? "Stale" : `Stale since${at}`)
        : wait ? (short ? "Connecting" : `Connecting${at ? `, last${at}` : ""}`)
        : short ? "Live" : `Live${at ? `, updated${at}` : ""}`;
      if (sign.textContent !== text) sign.textContent = text;
    }
    const banner = one("#stale");
    if (!banner) return;
    if (stale) {
      one("[data-stale-age]", banner).textContent = `What you see is ${since(quiet)} old.`;
      const text = navigator.onLine
        ? "The engine still pages. Acknowledge still works."
        : "You are offline: the engine still pages, but Acknowledge cannot leave this device until you are back.";
      const line = one("[data-stale-text]", banner);
      if (line.textContent !== text) line.textContent = text;
    }
    banner.hidden = !stale;
  }
  setInterval(draw, 1000);
  return {
    draw,
    heard(time) {
      heardAt = performance.now();
      const parsed = time ? new Date(/^\d+(\.\d+)?$/.test(time) ? Number(time) * 1000 : time) : null;
      if (parsed && !Number.isNaN(parsed.getTime())) heardText = clock.format(parsed);
      draw();
    },
    setOpen(value) { open = value; draw(); },
    isStale: () => performance.now() - heardAt > QUIET_MS,
  };
}

export function startLive(library) {
  htmx = library;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const list = event.detail.elt;
    if (event.detail.requestConfig.triggeringEvent?.type !== "live") return;
    if (!list.hasAttribute("data-live-list")) {
      // Somebody opened a menu or began to type while the answer was on its way.
      if (list.hasAttribute("data-live") && isHeld(list)) {
        event.detail.shouldSwap = false;
        refresh(list);
      }
      return;
    }
    if (!event.detail.shouldSwap || event.detail.isError) return;
    event.detail.shouldSwap = false;
    mergeList(list, event.detail.serverResponse);
  });
  document.addEventListener("pointerout", (event) => {
    const list = event.target.closest?.("[data-live-list]");
    if (list && waiting.get(list)?.size) requestAnimationFrame(() => settle(list));
  });

  const meta = one('meta[name="live"]');
  if (!meta) return;
  startPressing();
  const sign = startSign(meta);
  let source = null;
  let retry = 0;

  function connect() {
    clearTimeout(retry);
    source?.close();
    source = new EventSource(meta.content);
    source.addEventListener("open", () => {
      sign.setOpen(true);
      sign.heard(null);
      // What changed while nobody listened is not said again, and the page itself was made before
      // this line was open: fetch everything once.
      refreshAll();
    });
    source.addEventListener("error", () => {
      sign.setOpen(false);
      // The browser tries again by itself, except after an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, 5000);
    });
    source.addEventListener("tick", (event) => sign.heard(event.data));
    source.addEventListener("changed", (event) => {
      sign.heard(null);
      changed(event.data);
    });
  }

  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { hiddenAt = performance.now(); return; }
    if (sign.isStale()) connect();
    else if (performance.now() - hiddenAt > HIDDEN_MS) refreshAll();
  });
  addEventListener("online", connect);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  document.addEventListener("click", (event) => { if (event.target.closest?.("[data-live-retry]")) connect(); });
  forEachNew("[data-live-state]", () => sign.draw());
  connect();
}
