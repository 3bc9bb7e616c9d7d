// Where this tab looks and what one was writing in it, kept over a reload; in the tab's own memory, so that a second tab may look elsewhere.

const NAME = "sayso-looks";
const looks = new Map(remembered());

/** What was kept under a name; empty when nothing was. */
export function kept(name) {
  return looks.get(name) ?? "";
}

/** Keep a text under a name. */
export function keep(name, text) {
  if (kept(name) === text) return;
  if (text) looks.set(name, text);
  else looks.delete(name);
  try {
    sessionStorage.setItem(NAME, JSON.stringify([...looks]));
  } catch (error) {
    console.info("This browser remembers nothing for the page:", error.name); // storage may be forbidden, or full
  }
}

/** Everything that was kept under names with this beginning: [the rest of the name, text]. */
export function keptUnder(beginning) {
  return [...looks].filter(([name]) => name.startsWith(beginning)).map(([name, text]) => [name.slice(beginning.length), text]);
}

function remembered() {
  try {
    const found = JSON.parse(sessionStorage.getItem(NAME) ?? "[]");
    return found.filter((one) => one.length === 2 && one.every((text) => typeof text === "string"));
  } catch (error) {
    console.info("This browser remembers nothing for the page:", error.name); // forbidden, or not ours
    return [];
  }
}
