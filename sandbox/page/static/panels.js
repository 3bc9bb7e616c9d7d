// The demo's panels: the clock and the processes in the header, the six suggestions, and (office.js) the office.
// A panel that the server does not have is not drawn.

import { keep, kept } from "./kept.js";
import { h, icon, patch } from "./patching.js";
import { problemOf, renderOffice } from "./office.js";
import { show } from "./shell.js";
import { clockTime, dayAndTime, now } from "./times.js";

const CHECK = "m5 12 5 5 9-10";
const busy = new Set(); // buttons whose answer is not there yet
let opened = Number(kept("step")); // the step of the guide that is unfolded; 0 until the first drawing
let last = null; // what was drawn last, to draw it again when a button is pressed or a minute is over

/** Draw every panel of `state` into the page `root`; `page` is {be, select, selected}. */
export function renderPanels(root, state, act, page) {
  last = { root, state, act, page };
  const { clock, processes, guide } = state.panels ?? {};
  patch(root.getElementById("controls"), [
    clock && (problemOf(clock) ?? drawClock(clock)),
    processes && (problemOf(processes) ?? drawProcesses(processes)),
  ]);
  root.getElementById("guide").hidden = !guide;
  root.getElementById("work").classList.toggle("unguided", !guide);
  patch(root.getElementById("guide-body"), guide && (problemOf(guide) ?? drawGuide(guide, state)));
  renderOffice(root.getElementById("office-body"), state, page);
}

setInterval(() => last && draw(), 5000); // the clock goes on between two states

function draw() {
  renderPanels(last.root, last.state, last.act, last.page);
}

/** A button that tells a panel something and takes no second press until it is answered. */
function telling(
  words,
  panel,
  told,
  { key = words, name = "button", title = null, off = false, first = null, then = null } = {},
) {
  const id = `${panel} ${key}`;
  const waits = busy.has(id);
  const press = async () => {
    if (waits || off) return;
    busy.add(id);
    first?.();
    draw();
    try {
      const answer = await last.act("panel", { name: panel, ...told });
      if (answer.ok) then?.();
    } finally {
      busy.delete(id);
      draw();
    }
  };
  const props = {
    key,
    class: name,
    type: "button",
    title,
    "aria-disabled": waits || off ? "true" : null,
    "aria-busy": waits ? "true" : null,
  };
  return h("button", { ...props, onclick: press }, words);
}

// ---- the clock

function drawClock(clock) {
  const { next, pushed } = clock;
  const coming = next ? `Next: ${clockTime(next.at)}, ${next.words}` : "Nothing is due";
  return h(
    "div",
    { key: "clock", class: "control", role: "group", "aria-label": "Clock" },
    h(
      "p",
      { class: "clock" },
      h("b", {}, dayAndTime(now())),
      pushed && h("span", { class: "pushed", title: "How far the demo's clock was pushed" }, pushed),
      h("small", { title: coming }, coming),
    ),
    h(
      "div",
      { class: "buttons" },
      telling(
        "+15 min",
        "clock",
        { what: "push", minutes: 15 },
        { title: "Let 15 minutes pass; what is due on the way happens" },
      ),
      telling("+1 h", "clock", { what: "push", minutes: 60 }, { title: "Let an hour pass" }),
      telling(
        "Next step",
        "clock",
        { what: "to_next", request: last.page.selected },
        { title: coming, off: !next },
      ),
    ),
  );
}

// ---- bot and worker

function drawProcesses(processes) {
  const kill = (which, words) =>
    telling(
      words,
      "processes",
      { what: "kill", which },
      { key: which, title: `Kill (SIGKILL) and start again: ${which}` },
    );
  return h(
    "div",
    { key: "processes", class: "control", role: "group", "aria-label": "Kill and restart" },
    h(
      "p",
      { class: "clock" },
      h("b", {}, "Kill & restart"),
      h("small", { title: "Process numbers" }, alive(processes)),
    ),
    h(
      "div",
      { class: "buttons" },
      Object.keys(processes).map((name) => kill(name, name)),
      kill("both", "both"),
    ),
  );
}

function alive(processes) {
  return Object.entries(processes)
    .map(([name, { pid, up }]) => (up ? `${name} ${pid}` : `${name} starting …`))
    .join(", ");
}

// ---- the guide

function drawGuide({ steps, own }, state) {
  if (!steps.some((step) => step.n === opened)) opened = (steps.find((step) => !step.done) ?? steps[0])?.n ?? 0;
  return [
    h(
      "p",
      { key: "how", class: "how" },
      "Each makes the first move; the rest is yours to click. Change who you are above, or click a name.",
    ),
    own && h("p", { key: "own", class: "how" }, own),
    h(
      "ol",
      { key: "steps", class: "steps" },
      steps.map((step) => drawStep(step, state)),
    ),
    h(
      "p",
      { key: "keys", class: "how" },
      h("kbd", {}, "F2"),
      " who am I, ",
      h("kbd", {}, "Esc"),
      " closes a dialog. A second tab can be a second person.",
    ),
  ];
}

function drawStep(step, state) {
  const unfolded = step.n === opened;
  const unfold = () => {
    opened = step.n;
    keep("step", String(opened));
    draw();
  };
  return h(
    "li",
    { key: step.n, class: ["step", step.done && "done", unfolded && "unfolded"].filter(Boolean).join(" ") },
    h(
      "h3",
      {},
      h(
        "button",
        { class: "title", type: "button", "aria-expanded": String(unfolded), onclick: unfold },
        h(
          "span",
          { class: "number" },
          step.done ? [icon(CHECK), h("span", { class: "aside-read" }, `${step.n}, done:`)] : step.n,
        ),
        h("span", {}, step.title),
      ),
    ),
    unfolded && h("div", { key: "inside", class: "inside" }, insideStep(step, state)),
  );
}

function insideStep(step, state) {
  const again = step.done || Boolean(step.asked);
  const then = () => show("slack");
  const first = () => last.page.selected && last.page.select(""); // what begins now is what one wants to follow
  const say = step.say && h("p", { key: "say", class: "say" }, step.say);
  const look = h("p", { key: "look", class: "look" }, withNames(step.look, state));
  const start =
    step.can &&
    telling(
      again ? "Start again" : "Start",
      "guide",
      { what: "start", n: step.n },
      { key: `start ${step.n}`, name: again ? "button" : "button main", first, then },
    );
  if (!step.asked) return [say, start, look];
  return [h("p", { key: "asked", class: "say" }, step.asked), look, say, start];
}

/** The words with each person's first name as a button that makes one that person, and no date broken in two. */
function withNames(words, state) {
  const people = new Map(state.people.map((person) => [person.real_name.split(" ")[0], person]));
  return words.split(/(\d{4}-\d\d-\d\d)|\b/u).map((word, index) => {
    if (/^\d{4}-/.test(word ?? "")) return h("span", { key: `${index} ${word}`, class: "whole" }, word);
    const person = people.get(word);
    if (!person) return word;
    const title = `Be ${person.real_name}`;
    return h(
      "button",
      {
        key: `${index} ${word}`,
        class: "name",
        type: "button",
        title,
        onclick: () => last.page.be(person.name),
      },
      word,
    );
  });
}
