// The page's one store: the live state of one person's view, what that person does, and who draws it.

import { renderPanels } from "./panels.js";
import { announceNews, clearToasts, renderShell, showLost, startShell, toast } from "./shell.js";
import { renderSlack } from "./slack.js";
import { renderTeams } from "./teams.js";
import { runAhead } from "./times.js";

const TOKEN = document.querySelector('meta[name="sayso-page"]').content;
const FIRST = "alex"; // whom a newcomer is: the one who asks
const TOLD_IN_PLACE = new Set(["slack.submit", "teams.click", "teams.submit"]); // what went wrong stands in the form
const RETRY_MS = [500, 1000, 2000, 4000]; // how long to wait before asking for the stream again

/** The newest state, as the server sent it; null until the first one is there. */
export let state = null;

const place = new URL(location.href);
const listeners = new Set();
let stream = null;
let lost = 0; // how often in a row the stream was not there

/** Call `fn(state)` now, if there is a state, and after every change. */
export function onState(fn) {
  listeners.add(fn);
  if (state) fn(state);
}

/** Do something as the person one is. Answers {ok, words}; the words are shown at the edge, unless a form shows them. */
export async function act(what, fields = {}) {
  clearToasts(); // they are about what was pressed before
  const answer = await told({ as: state.viewer, do: what, ...fields }); // whose screen one sees
  if (answer.words && (answer.ok || !TOLD_IN_PLACE.has(what))) toast(answer.words, answer.ok);
  return answer;
}

/** Be somebody else in this tab; the address says who, so a second tab can be a second person. */
export function be(name) {
  if (name === me()) return;
  clearToasts(); // they were for somebody else
  moved("as", name);
}

/** Show one request's record; an empty id follows the newest. */
export function select(request) {
  moved("request", request);
}

function me() {
  return place.searchParams.get("as") || FIRST;
}

function moved(name, value) {
  if (value) place.searchParams.set(name, value);
  else place.searchParams.delete(name);
  history.replaceState(null, "", place);
  connect();
}

async function told(body) {
  try {
    const reply = await fetch("/act", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Sayso-Page": TOKEN },
      body: JSON.stringify(body),
    });
    return await reply.json(); // a refusal is {ok: false} with words, too
  } catch (error) {
    return { ok: false, words: `The demo did not answer (${error.message}). Is it still running?` };
  }
}

function hangUp() {
  stream?.close();
  stream = null;
}

function connect() {
  hangUp();
  const address = new URL("/events", location.href);
  address.searchParams.set("as", me());
  address.searchParams.set("request", place.searchParams.get("request") ?? "");
  const opened = new EventSource(address);
  stream = opened;
  opened.onmessage = (event) => {
    if (stream !== opened) return; // a word from the person one was before
    lost = 0;
    showLost(false);
    drawn(JSON.parse(event.data));
  };
  opened.onerror = () => {
    if (stream !== opened) return;
    opened.close();
    if (!state && me() !== FIRST) {
      toast(`There is nobody called “${me()}” here.`, false);
      moved("as", FIRST);
      return;
    }
    showLost(true);
    setTimeout(() => stream === opened && connect(), RETRY_MS[Math.min(lost++, RETRY_MS.length - 1)]);
  };
}

function drawn(newest) {
  const before = state;
  state = newest;
  runAhead(state.ahead);
  for (const fn of listeners) {
    try {
      fn(state);
    } catch (error) {
      reportError(error); // a pane that cannot be drawn is said in the console; the others are drawn
    }
  }
  announceNews(before, state);
}

startShell({ be, act, now: () => state });
onState((now) => renderShell(now));
onState((now) =>
  renderPanels(document, now, act, { be, select, selected: place.searchParams.get("request") ?? "" }),
);
onState((now) => renderSlack(document.getElementById("slack"), now, act));
onState((now) => renderTeams(document.getElementById("teams"), now, act));
connect();

// A browser opens six lines at most to one server: a tab that nobody sees lets go of its own.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hangUp();
  else connect();
});
