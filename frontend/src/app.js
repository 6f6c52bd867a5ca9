// The one script of the product. Every part enhances a page that works without it; none of them
// needs another, so a failure in one leaves the rest.
import htmx from "htmx.org/dist/htmx.esm.js";
import { startBulk } from "./bulk.js";
import { startCopy } from "./copy.js";
import { startCountdown } from "./countdown.js";
import { startDialogs } from "./dialogs.js";
import { startKeyboard } from "./keyboard.js";
import { startLive } from "./live.js";
import { startPalette } from "./palette.js";
import { startRequests } from "./requests.js";
import { startTheme } from "./theme.js";
import { startToasts } from "./toasts.js";

startRequests();
startTheme();
startDialogs();
startCountdown();
startToasts();
startCopy();
startBulk();
startPalette();
startKeyboard();
startLive(htmx);
