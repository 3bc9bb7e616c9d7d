// Where this tab looks, kept over a reload; in the tab's own memory, so that a second tab may look elsewhere.

const NAME = "sayso-looks";
const looks = new Map(remembered());

/** What was kept under a name; empty when nothing was. */
export function kept(name) {
  return looks.get(name) ?? "";
}

/** Keep a text under a name. */
export function keep(name, text) {
  if (kept(name) === text) return;
  looks.set(name, text);
  try {
    sessionStorage.setItem(NAME, JSON.stringify([...looks]));
  } catch (error) {
    console.info("This browser remembers nothing for the page:", error.name); // storage may be forbidden, or full
  }
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
