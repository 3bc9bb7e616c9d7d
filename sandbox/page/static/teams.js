// The Teams pane: channels, posts with replies, the chat with the bot, cards, the composer and task dialogs.

import { drawnCard } from "./adaptive.js";
import { callable, channelButton, chosenChannel, composer, Desk, face, focusBack, focusNow, stay, time } from "./chat.js";
import { h, lazy, opaque, patch } from "./patching.js";
import { teamsText } from "./teamstext.js";

const desk = new Desk("teams");
let shown = null; // the last (root, state, act), to draw again when only this page changed
let log = ""; // viewer and conversation whose posts the list shows
let dialog = ""; // the dialog that is open
let opener = null; // what had the focus before

/** Draw the pane. Safe to call with the same state again. */
export function renderTeams(root, state, act) {
  shown = [root, state, act];
  const chat = state.teams;
  root.classList.add("teams");
  if (!chat?.channels?.length) {
    patch(root, [h("p", { class: "chat-empty" }, nobodyHere(state))]);
    return;
  }
  const mine = desk.of(state.viewer);
  const channel = chosenChannel(mine, chat);
  if (mine.channel !== channel.id) desk.look(state.viewer, channel.id);
  const scene = { root, state, chat, act, mine, channel };
  const opened = log !== `${state.viewer} ${channel.id}`;
  log = `${state.viewer} ${channel.id}`;
  patch(root, h("div", { class: "t-frame", key: "frame" }, rail(scene), main(scene), task(scene)));
  stay(root.querySelector(".t-log"), opened);
  focusDialog(root, chat.dialog);
}

const again = () => shown && renderTeams(...shown);

function nobodyHere(state) {
  const me = state.people.find((one) => one.name === state.viewer);
  return `${me?.real_name ?? state.viewer} is in no team and no chat of this Teams.`;
}

// ---- channels

function rail(scene) {
  const { chat, channel } = scene;
  const button = (one) =>
    channelButton("t", one, {
      chosen: channel,
      fresh: desk.unread(scene.state.viewer, chat, one, channel),
      onclick: () => {
        desk.look(scene.state.viewer, one.id);
        again();
      },
    });
  const teams = Map.groupBy(chat.channels, (one) => (one.direct ? "Chats" : one.team || "Team"));
  return h(
    "nav",
    { class: "t-rail", key: "rail", "aria-label": "Teams channels and chats" },
    [...teams].map(([name, some]) => h("div", { class: "t-rail-part", key: name }, h("h3", {}, name), some.map(button))),
  );
}

// ---- posts

function main(scene) {
  const { chat, channel } = scene;
  return h(
    "div",
    { class: "t-main", key: "main", inert: Boolean(chat.dialog) },
    h("div", { class: "t-head" }, h("h3", {}, channel.name), h("span", { class: "t-of" }, channel.direct ? "Chat" : channel.team)),
    posts(scene),
    channel.writable ? newPost(scene) : h("p", { class: "chat-closed" }, "You cannot write here."),
  );
}

function posts(scene) {
  const { chat, channel } = scene;
  const all = chat.messages[channel.id] ?? [];
  const roots = all.filter((one) => !one.root || one.root === one.id || !all.some(({ id }) => id === one.root));
  const repliesOf = Map.groupBy(all.filter((one) => !roots.includes(one)), (one) => one.root);
  const empty = h("p", { class: "chat-empty" }, channel.direct
    ? "What sayso tells only you stands here."
    : `Nothing was posted in ${channel.name} yet. Mention @sayso to ask the agent for something.`);
  return h(
    "div",
    {
      class: "t-log", key: `log ${channel.id}`, role: "log", "aria-live": "off", tabindex: "0",
      "aria-label": `Posts in ${channel.name}`,
    },
    roots.length ? roots.map((one) => post(scene, one, repliesOf.get(one.id) ?? [])) : empty,
  );
}

function post(scene, root, replies) {
  const { channel, mine } = scene;
  if (channel.direct) return message(scene, root);
  const unfold = () => {
    mine.open.add(root.id);
    again();
    shown[0].querySelector(`[data-post="${CSS.escape(root.id)}"] textarea`)?.focus();
  };
  return h(
    "div",
    { class: "t-post", key: `post ${root.id}`, "data-post": root.id },
    message(scene, root),
    replies.length > 0 && h(
      "div",
      { class: "t-replies", role: "group", "aria-label": "Replies" },
      replies.map((one) => message(scene, one)),
    ),
    channel.writable && (mine.open.has(root.id)
      ? newPost(scene, root)
      : h("button", { type: "button", class: "t-link", onclick: unfold }, "Reply")),
  );
}

function message(scene, one) {
  const { state, chat, mine } = scene;
  const own = one.sender === chat.me;
  const complaints = Object.entries(one.errors ?? {}).map(([label, problem]) => `${label}: ${problem}`);
  const told = mine.drafts.get(`told ${one.id}`);
  return h(
    "article",
    {
      key: one.id, class: own ? "t-message t-own" : "t-message", tabindex: "-1", "data-message": one.id,
      "aria-label": one.name,
    },
    face("t", one.name, one.app, state.people),
    h(
      "div",
      { class: "t-said" },
      h("p", { class: "t-by" }, h("b", {}, one.name), one.app && h("span", { class: "t-badge-app" }, "App"), time(one.at),
        one.edited > 0 && h("span", { class: "t-edited" }, "Edited")),
      one.text && h("div", { class: "t-text" }, teamsText(one.text, one.mentions ?? [])),
      one.card && card(scene, one),
      complaints.map((words) => h("p", { class: "t-problem", role: "alert" }, words)),
      told && h("p", { key: "told", class: "t-problem", role: "alert" }, h("span", {}, told),
        h("button", { type: "button", class: "t-x", "aria-label": "Dismiss", onclick: () => { forgetTold(mine); again(); } }, "✕")),
    ),
  );
}

/** What a press was answered stands until the next one, also when its card is drawn anew: it may say who was faster. */
function forgetTold(mine) {
  for (const key of [...mine.drafts.keys()].filter((one) => one.startsWith("told "))) mine.drafts.delete(key);
}

function card(scene, one) {
  const busy = scene.mine.busy.has(one.id);
  const press = (title, inputs, data) => pressed(one, title, inputs, data);
  return h(
    "div",
    { class: "t-card", "aria-busy": String(busy) },
    lazy(`card ${one.id}`, JSON.stringify(one.card), () => opaque(drawnCard(one.card, { typed: one.typed, press }))),
  );
}

/** A button of a card was pressed. */
async function pressed(one, title, inputs, data) {
  const [root, state, act] = shown;
  const mine = desk.of(state.viewer);
  if (mine.busy.has(one.id)) return;
  opener = focusNow();
  mine.busy.add(one.id);
  forgetTold(mine);
  again();
  const conversation = chosenChannel(mine, state.teams).id;
  try {
    const told = await act("teams.click", { conversation, id: one.id, title, inputs, data });
    if (!told.ok && told.words) mine.drafts.set(`told ${one.id}`, told.words);
  } finally {
    mine.busy.delete(one.id);
    again();
    if (!shown[1].teams?.dialog && document.activeElement === document.body) focusBack(root, opener);
  }
}

function newPost(scene, root = null) {
  const { mine, channel, act, state } = scene;
  const key = root ? `${channel.id} ${root.id}` : channel.id;
  const begin = channel.direct ? "Type a message" : "Start a post, with @sayso to ask the agent";
  return composer("t", {
    key: `write ${key}`, text: mine.drafts.get(key) ?? "", names: callable(state), label: "Send",
    place: root ? "Reply" : begin,
    write: (text) => {
      desk.write(state.viewer, key, text);
      again();
    },
    send: async (text) => {
      if (!text.trim()) return;
      desk.write(state.viewer, key, "");
      again();
      const told = await act("teams.say", { channel: channel.id, text, root: root?.id ?? "" });
      if (!told.ok && !mine.drafts.get(key)) desk.write(state.viewer, key, text);
      again();
    },
  });
}

// ---- task dialogs

function task(scene) {
  const { chat, mine } = scene;
  const now = chat.dialog;
  if (!now) return null;
  const close = () => scene.act("teams.close", { dialog: now.id });
  const complaints = Object.entries(now.errors ?? {}).map(([label, problem]) => `${label}: ${problem}`);
  if (mine.problem?.dialog === now.id && !complaints.length) complaints.push(mine.problem.words);
  const press = (title, inputs) => submitted(now, title, inputs);
  return h(
    "div",
    {
      class: "t-over", key: "dialog",
      onkeydown: (event) => event.key === "Escape" && (event.preventDefault(), close()),
    },
    h(
      "div",
      {
        class: "t-dialog", key: now.id, role: "dialog", "aria-labelledby": "t-dialog-title", tabindex: "-1",
        "aria-busy": String(mine.busy.has(now.id)),
      },
      h(
        "header",
        {},
        h("h3", { id: "t-dialog-title" }, now.title),
        h("button", { type: "button", class: "t-x", "aria-label": "Close", onclick: close }, "✕"),
      ),
      h(
        "div",
        { class: "t-dialog-body" },
        lazy(`dialog ${now.id}`, JSON.stringify(now.card), () => opaque(drawnCard(now.card, { typed: now.typed, press }))),
        complaints.map((words) => h("p", { class: "t-problem", role: "alert" }, words)),
      ),
    ),
  );
}

async function submitted(now, title, inputs) {
  const [, state, act] = shown;
  const mine = desk.of(state.viewer);
  if (mine.busy.has(now.id)) return;
  mine.busy.add(now.id);
  mine.problem = null;
  again();
  try {
    const told = await act("teams.submit", { dialog: now.id, title, inputs });
    if (!told.ok && told.words) mine.problem = { dialog: now.id, words: told.words };
  } finally {
    mine.busy.delete(now.id);
    again();
  }
}

/** A dialog that opens takes the focus; when it closes, the focus goes back. */
function focusDialog(root, wanted) {
  const now = wanted?.id ?? "";
  if (now === dialog) return;
  dialog = now;
  if (!now) {
    if (opener) focusBack(root, opener);
    opener = null;
    return;
  }
  const first = root.querySelector(".t-dialog :is(input, textarea, select)") ?? root.querySelector(".t-dialog");
  first?.focus({ preventScroll: true });
}
