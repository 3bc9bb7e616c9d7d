// Instants in a person's words, in the time zone of the browser, as seen at the workplace's own time.

import { keep, kept } from "./kept.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)/g;
let ahead = null; // ms by which the workplace's clock runs ahead of this machine's; null until it is known

/** When this tab first saw the workplace, in milliseconds since 1970 on its clock; also after a reload. */
export let opened = 0;

/** From now on the workplace's clock runs so many seconds ahead. */
export function runAhead(seconds) {
  const first = ahead === null;
  ahead = seconds * 1000;
  if (!first) return;
  const before = Number(kept("opened"));
  opened = before > 0 && before <= now() ? before : now(); // later than now: that was another workplace
  keep("opened", String(opened));
}

/** The workplace's time, in milliseconds since 1970. */
export function now() {
  return Date.now() + (ahead ?? 0);
}

/** A text with every ISO 8601 instant in it as a person writes it. */
export function withTimes(text) {
  return text.replace(INSTANT, (at) => dayAndTime(Date.parse(at)));
}

/** "Sat 22 Nov 14:02". `at`: milliseconds since 1970. */
export function dayAndTime(at) {
  return `${DAY.format(at).replace(",", "")} ${CLOCK.format(at)}`;
}

/** "14:02", or "Sun 23 Nov 14:02" when that is not today. `at`: ISO 8601, or seconds since 1970. */
export function clockTime(at) {
  const when = instant(at);
  return DAY.format(when) === DAY.format(now()) ? CLOCK.format(when) : dayAndTime(when);
}

/** "14:02". `at`: ISO 8601. */
export function hourAndMinute(at) {
  return CLOCK.format(instant(at));
}

/** "14:02:31". `at`: ISO 8601, or seconds since 1970. */
export function exactTime(at) {
  return SECONDS.format(instant(at));
}

/** "Sat 22 Nov". `at`: ISO 8601, or seconds since 1970. */
export function day(at) {
  return DAY.format(instant(at)).replace(",", "");
}

function instant(at) {
  return typeof at === "number" ? at * 1000 : Date.parse(at);
}
