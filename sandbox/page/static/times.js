// Instants in a person's words, in the time zone of the browser.

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

/** "Sat 22 Nov 14:02". `at`: milliseconds since 1970. */
export function dayAndTime(at) {
  return `${DAY.format(at).replace(",", "")} ${CLOCK.format(at)}`;
}

/** "14:02", or "Sun 23 Nov 14:02" when that is not today. `at`: ISO 8601, or seconds since 1970. */
export function clockTime(at) {
  const when = instant(at);
  return DAY.format(when) === DAY.format(Date.now()) ? CLOCK.format(when) : dayAndTime(when);
}

/** "14:02:31". `at`: ISO 8601, or seconds since 1970. */
export function exactTime(at) {
  return SECONDS.format(instant(at));
}

function instant(at) {
  return typeof at === "number" ? at * 1000 : Date.parse(at);
}
