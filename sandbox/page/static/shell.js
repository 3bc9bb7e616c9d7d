// What stands around the panes: who one is, which pane a narrow screen shows, the theme, and short answers.

import { keep, kept } from "./kept.js";
import { h, icon, patch } from "./patching.js";

const VIEWS = [
  ["guide", "Guide", "M4 5h16M4 12h16M4 19h10"],
  ["slack", "Slack", "M9 3 7 21M17 3l-2 18M4 8.5h17M3 15.5h17"],
  ["teams", "Teams", "M4 5h16v11H11l-5 4v-4H4z"],
  ["office", "Office", "M4 20V9l8-5 8 5v11M9 20v-6h6v6"],
];
const ROLES = {
  requester: "asks the agent for things, and may not approve them",
  approver: "answers what the agent asks",
  supervisor: "may answer too, once it takes long",
  "on-call": "is paged when time runs out",
  neighbour: "a colleague; has no say until it takes long",
  guest: "a guest of the workspace, who may not decide",
  outsider: "is not of this company",
};
const TOASTS = 3; // at once; the oldest gives way
const TOAST_MS = (words) => 5000 + 50 * words.length; // good news goes once it is read

const root = document.documentElement;
const toasts = [];
const unread = new Set(); // views with something new that a narrow screen does not show
let shell = null;
let ringing = false;
let guided = true; // there is a guide to look at

/** Begin: `be(name)` changes who one is, `act` does things, `now()` is the newest state. */
export function startShell(given) {
  shell = given;
  startTheme();
  if (VIEWS.some(([view]) => view === kept("view"))) root.dataset.view = kept("view");
  document.getElementById("who").addEventListener("keydown", chooseByKey);
  document.getElementById("who").addEventListener("focus", () => chosen()?.focus());
  addEventListener("keydown", (event) => {
    if (event.key === "F2") {
      event.preventDefault();
      chosen()?.focus();
    } else if (event.key === "Escape" && !event.defaultPrevented) closeTopmost();
  });
  drawViews();
}

/** Who one is, and where a narrow screen can look. */
export function renderShell(state) {
  const me = state.people.find((person) => person.name === state.viewer);
  const name = me?.real_name ?? state.viewer;
  patch(document.getElementById("who"), [
    h("span", { class: "who-label", key: "label", "aria-hidden": "true" }, "You are"),
    state.people.map((person, index) => personButton(person, index, state.viewer)),
  ]);
  patch(document.getElementById("slack-as"), me?.slack === false ? "" : `as ${name}`);
  patch(document.getElementById("teams-as"), me?.teams === false ? "" : `as ${name}`);
  ringing = (state.pager ?? []).some((incident) => incident.status === "triggered");
  document.title = `${ringing ? "(!) On-call is paged · " : ""}${name} · sayso`;
  guided = Boolean(state.panels?.guide);
  if (!guided && root.dataset.view === "guide") root.dataset.view = "slack";
  drawViews();
}

/** Show one view on a narrow screen: guide, slack, teams or office. */
export function show(view) {
  root.dataset.view = view;
  keep("view", view);
  unread.delete(view);
  drawViews();
}

/** Say in one line what came of something the person did; bad news stays until the next press, or until it is closed. */
export function toast(words, ok) {
  const one = { key: `toast-${performance.now()}`, words, ok };
  toasts.push(one);
  if (toasts.length > TOASTS) toasts.shift();
  drawToasts();
  if (ok) setTimeout(() => drop(one), TOAST_MS(words));
}

/** Take back everything that was said; a person does something else. */
export function clearToasts() {
  toasts.length = 0;
  drawToasts();
}

/** Say that the stream is lost, or that it is back. */
export function showLost(isLost) {
  const banner = document.getElementById("lost");
  banner.hidden = !isLost;
  patch(
    banner,
    isLost
      ? "The demo does not answer, and what you see may be old. If it comes back at this address, so does this page; " +
          "a demo that is started anew says its own address."
      : "",
  );
}

/** Read new messages aloud, and mark the views they are in. */
export function announceNews(before, now) {
  if (!before || before.viewer !== now.viewer) return;
  const said = [];
  for (const [view, chat] of [
    ["slack", "Slack"],
    ["teams", "Teams"],
  ]) {
    for (const channel of now[view]?.channels ?? []) {
      const known = new Set((before[view]?.messages?.[channel.id] ?? []).map(keyOf));
      const fresh = (now[view].messages?.[channel.id] ?? []).filter((one) => !known.has(keyOf(one)));
      const others = fresh.filter((one) => (one.user ?? one.sender) !== now[view].me);
      said.push(...others.map((one) => `${chat}, ${channel.name}: new message from ${one.name}`));
      if (others.length && root.dataset.view !== view) unread.add(view);
    }
  }
  if (said.length) patch(document.getElementById("announced"), said.slice(-3).join(". "));
  drawViews();
}

/** The circle with somebody's initials; the same colour everywhere. */
export function face(name, colour) {
  const initials = name
    .split(/\s+/)
    .map((word) => [...word][0] ?? "")
    .join("")
    .slice(0, 2)
    .toUpperCase();
  return h("span", { class: `face face-${colour}`, "aria-hidden": "true" }, initials);
}

// ---- who am I

function personButton(person, index, viewer) {
  const mine = person.name === viewer;
  return h(
    "button",
    {
      key: person.name,
      class: "person",
      type: "button",
      role: "radio",
      "aria-checked": String(mine),
      tabindex: mine ? "0" : "-1",
      title: `${person.real_name}: ${ROLES[person.role] ?? person.role} (F2, then ${index + 1})`,
      onclick: () => shell.be(person.name),
    },
    face(person.real_name, index % 7),
    h("span", {}, h("b", {}, person.real_name), h("small", {}, person.role)),
  );
}

function chosen() {
  return document.querySelector('#who [aria-checked="true"]');
}

function chooseByKey(event) {
  const all = [...document.querySelectorAll("#who [role=radio]")];
  const at = all.indexOf(document.activeElement);
  const steps = {
    ArrowRight: at + 1,
    ArrowDown: at + 1,
    ArrowLeft: at - 1,
    ArrowUp: at - 1,
    Home: 0,
    End: all.length - 1,
  };
  const to = event.key in steps ? steps[event.key] : Number.parseInt(event.key, 10) - 1;
  if (!all.length || Number.isNaN(to) || event.ctrlKey || event.metaKey || event.altKey) return;
  const next = event.key in steps ? all.at(to % all.length) : all[to];
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.click();
}

// ---- the switcher of narrow screens

function drawViews() {
  patch(
    document.getElementById("views"),
    VIEWS.filter(([view]) => guided || view !== "guide").map(([view, name, path]) => {
      const rings = view === "office" && ringing;
      return h(
        "button",
        {
          key: view,
          type: "button",
          class: rings ? "view rings" : "view",
          "aria-current": root.dataset.view === view ? "page" : null,
          onclick: () => show(view),
        },
        icon(path),
        h("span", {}, name),
        (rings || unread.has(view)) &&
          h("span", { class: "dot" }, h("span", { class: "aside-read" }, rings ? "on-call is paged" : "new")),
      );
    }),
  );
}

// ---- the rest

function keyOf(message) {
  return message.ts ?? message.id;
}

function drop(one) {
  const at = toasts.indexOf(one);
  if (at >= 0) toasts.splice(at, 1);
  drawToasts();
}

function drawToasts() {
  patch(
    document.getElementById("toasts"),
    toasts.map((one) =>
      h(
        "div",
        { key: one.key, class: one.ok ? "toast" : "toast bad", role: one.ok ? "status" : "alert" },
        h("p", {}, one.words),
        h(
          "button",
          { class: "button quiet", type: "button", "aria-label": "Close", onclick: () => drop(one) },
          "✕",
        ),
      ),
    ),
  );
}

function closeTopmost() {
  const state = shell.now();
  if (state?.slack?.modal) shell.act("slack.close", { view: state.slack.modal.id });
  else if (state?.teams?.dialog) shell.act("teams.close", { dialog: state.teams.dialog.id });
  else if (toasts.length) drop(toasts.at(-1));
}

function startTheme() {
  const button = document.getElementById("theme");
  const draw = () => patch(button, root.dataset.theme === "dark" ? "☀ Light" : "☾ Dark");
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    draw();
    try {
      localStorage.setItem("sayso-theme", root.dataset.theme);
    } catch (error) {
      toast(`This browser does not let the page remember the theme (${error.name}).`, true);
    }
  });
  draw();
}
