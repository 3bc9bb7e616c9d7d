// The Slack pane: channels, messages with their threads, what is whispered, the composer, modals and the Home tab.

import { renderBlocks, shownValue } from "./blockkit.js";
import { callable, channelButton, chosenChannel, composer, Desk, face, focusBack, focusNow, stay, time } from "./chat.js";
import { mrkdwn } from "./mrkdwn.js";
import { h, lazy, patch } from "./patching.js";
import { now } from "./times.js";

const FOLDED = 10; // replies that a thread shows before it is opened
const desk = new Desk("slack");
let shown = null; // the last (root, state, act), to draw again when only this page changed
let log = ""; // viewer and channel whose messages the list shows
let modal = ""; // the modal that is open
let bare = false; // it opened before its fields were there
let complaints = "{}"; // what is wrong in its fields
let opener = null; // what had the focus before

/** Draw the pane. Safe to call with the same state again. */
export function renderSlack(root, state, act) {
  shown = [root, state, act];
  const chat = state.slack;
  root.classList.add("slack");
  if (!chat?.channels?.length) {
    patch(root, [h("p", { class: "chat-empty" }, nobodyHere(state))]);
    return;
  }
  const mine = desk.of(state.viewer);
  const channel = chosenChannel(mine, chat);
  if (mine.channel !== channel.id) desk.look(state.viewer, channel.id);
  const scene = { root, state, chat, act, mine, channel, names: namesOf(state) };
  const opened = log !== `${state.viewer} ${channel.id} ${mine.tab}`;
  log = `${state.viewer} ${channel.id} ${mine.tab}`;
  patch(root, h("div", { class: "s-frame", key: "frame" }, rail(scene), main(scene), dialog(scene), asked(scene)));
  stay(root.querySelector(".s-log:not(.s-home)"), opened);
  focusModal(root, chat.modal);
}

const again = () => shown && renderSlack(...shown);

function nobodyHere(state) {
  const me = state.people.find((one) => one.name === state.viewer);
  return `${me?.real_name ?? state.viewer} is in no channel of this Slack.`;
}

function namesOf(state) {
  const { users, groups, channel_names: channels, me } = state.slack;
  return { users, groups, channels, me, now: new Date(now()) };
}

// ---- channels

function rail(scene) {
  const { chat, channel } = scene;
  const button = (one) =>
    channelButton("s", one, {
      chosen: channel,
      fresh: desk.unread(scene.state.viewer, chat, one, channel),
      onclick: () => {
        desk.look(scene.state.viewer, one.id);
        again();
      },
    });
  const part = (title, some) =>
    some.length > 0 && h("div", { class: "s-rail-part", key: title }, h("h3", {}, title), some.map(button));
  return h(
    "nav",
    { class: "s-rail", key: "rail", "aria-label": "Slack channels" },
    part("Channels", chat.channels.filter((one) => !one.direct)),
    part("Apps", chat.channels.filter((one) => one.direct)),
  );
}

// ---- messages

function main(scene) {
  const { chat, channel, mine } = scene;
  const home = channel.direct && chat.home && mine.tab === "home";
  return h(
    "div",
    { class: "s-main", key: "main", inert: Boolean(chat.modal || mine.confirm) },
    h("div", { class: "s-head" }, h("h3", {}, channel.direct ? channel.name : channel.name.replace(/^#?/, "# ")), tabs(scene)),
    home ? homeTab(scene) : messages(scene),
    !home && (channel.writable ? newMessage(scene) : h("p", { class: "chat-closed" }, "You cannot write here.")),
  );
}

function tabs({ chat, channel, mine, act, state }) {
  if (!channel.direct || !chat.home) return null;
  const tab = (id, title) =>
    h(
      "button",
      {
        type: "button", class: "s-tab", "aria-pressed": String(mine.tab === id),
        onclick: () => {
          desk.look(state.viewer, channel.id, id);
          if (id === "home") act("slack.home");
          again();
        },
      },
      title,
    );
  return h("div", { class: "s-tabs", role: "group", "aria-label": "Tabs of the app" }, tab("home", "Home"), tab("", "Messages"));
}

function homeTab(scene) {
  const { chat } = scene;
  const press = (button) => pressed(scene, `home ${chat.home.id ?? ""}`, { view: chat.home.id ?? "home" }, button);
  const drawn = renderBlocks(chat.home.blocks, blocksAround(scene, "home", press));
  return h("div", { class: "s-log s-home", key: "home", tabindex: "0" }, drawn);
}

function messages(scene) {
  const { chat, channel, mine } = scene;
  const all = chat.messages[channel.id] ?? [];
  const roots = all.filter((one) => !one.thread_ts || one.thread_ts === one.ts || !all.some(({ ts }) => ts === one.thread_ts));
  const repliesOf = Map.groupBy(all.filter((one) => !roots.includes(one)), (one) => one.thread_ts);
  const empty = h("p", { class: "chat-empty" }, channel.direct
    ? "What sayso tells only you stands here."
    : `Nothing was said in ${channel.name} yet. Write to @sayso to ask the agent for something.`);
  const around = JSON.stringify([chat.users, chat.groups, chat.channel_names, chat.me, scene.names.now.toDateString()]);
  const drawn = roots.map((one) => {
    const replies = repliesOf.get(one.ts) ?? [];
    const draft = mine.drafts.get(`${channel.id} ${one.ts}`) ?? "";
    const here = [mine.open.has(one.ts), draft, [...mine.busy], channel.writable, scene.state.viewer];
    const same = JSON.stringify([one, replies, here, around]);
    return lazy(`${channel.id} ${one.ts}`, same, () => thread(scene, one, replies));
  });
  return h(
    "div",
    {
      class: "s-log", key: `log ${channel.id}`, role: "log", "aria-live": "off", tabindex: "0",
      "aria-label": `Messages in ${channel.name}`,
    },
    drawn.length ? drawn : empty,
  );
}

function thread(scene, root, replies) {
  const { mine, channel } = scene;
  const open = mine.open.has(root.ts);
  const folded = open || replies.length <= FOLDED ? 0 : replies.length - FOLDED + 1;
  const unfold = () => {
    mine.open.add(root.ts);
    again();
    const here = shown[0].querySelector(`[data-message="${CSS.escape(root.ts)}"]`);
    here?.closest(".s-thread").querySelector("textarea")?.focus();
  };
  const answering = channel.writable && !root.ephemeral;
  const look = replies.length ? "s-link s-reply" : "s-link s-reply s-first";
  return h(
    "div",
    { class: "s-thread" },
    message(scene, root),
    replies.length > 0 && h(
      "div",
      { class: "s-replies", role: "group", "aria-label": `${counted(replies.length)} in this thread` },
      folded > 0 && h("button", { type: "button", class: "s-link", onclick: unfold }, `Show ${counted(folded)} more`),
      replies.slice(folded).map((one) => message(scene, one)),
    ),
    answering && (open
      ? newMessage(scene, root)
      : h("button", { type: "button", class: look, onclick: unfold }, "Reply in thread")),
  );
}

const counted = (number) => (number === 1 ? "1 reply" : `${number} replies`);

function message(scene, one) {
  const { state, names } = scene;
  const press = (button) => pressed(scene, one.ts, { channel: scene.channel.id, ts: one.ts }, button);
  return h(
    "article",
    {
      key: `${one.ts}${one.ephemeral ? " e" : ""}`, class: one.ephemeral ? "s-message s-whisper" : "s-message",
      tabindex: "-1", "data-message": one.ts, "aria-label": one.name,
    },
    one.ephemeral && h("p", { class: "s-only" }, "Only visible to you"),
    face("s", one.name, one.app, state.people),
    h(
      "div",
      { class: "s-said" },
      h("p", { class: "s-by" }, h("b", {}, one.name), one.app && h("span", { class: "s-badge-app" }, "APP"), time(one.at)),
      one.blocks?.length
        ? h("div", { class: "s-blocks" }, renderBlocks(one.blocks, blocksAround(scene, one.ts, press)))
        : h("div", { class: "s-text" }, mrkdwn(one.text, names), one.edited > 0 && h("span", { class: "s-edited" }, " (edited)")),
    ),
  );
}

function newMessage(scene, root = null) {
  const { mine, channel, act, state } = scene;
  const key = root ? `${channel.id} ${root.ts}` : channel.id;
  const to = channel.direct ? channel.name : channel.name.replace(/^#?/, "#");
  return composer("s", {
    key: `write ${key}`, text: mine.drafts.get(key) ?? "", names: callable(state), label: "Send",
    place: root ? "Reply…" : `Message ${to}`,
    write: (text) => {
      desk.write(state.viewer, key, text);
      again();
    },
    send: async (text) => {
      if (!text.trim()) return;
      desk.write(state.viewer, key, "");
      again();
      const told = await act("slack.say", { channel: channel.id, text, thread: root?.ts ?? "" });
      if (!told.ok && !mine.drafts.get(key)) desk.write(state.viewer, key, text);
      again();
    },
  });
}

// ---- buttons

function blocksAround({ names, mine }, place, press) {
  const busy = (button) => mine.busy.has(pressOf(place, button));
  return { names, press, busy, prefix: `s-${place}`, valueOf: () => "", typed: () => {}, problem: () => "" };
}

const pressOf = (place, button) => `${place}\n${button.text.text}\n${button.value}`;

async function pressed(scene, place, where, button) {
  const { mine, act } = scene;
  if (!where.view) opener = focusNow();
  if (button.confirm && !mine.confirm) {
    mine.confirm = { button, go: () => pressed(scene, place, where, { ...button, confirm: null }) };
    again();
    scene.root.querySelector(".s-confirm button")?.focus();
    return;
  }
  const press = pressOf(place, button);
  mine.busy.add(press);
  again();
  try {
    await act("slack.click", { ...where, label: button.text.text, value: button.value });
  } finally {
    mine.busy.delete(press);
    again();
  }
}

/** The question that Slack asks before a button with `confirm` is pressed. */
function asked({ mine, names }) {
  const { confirm: question } = mine;
  if (!question) return null;
  const { title, text, confirm, deny, style } = question.button.confirm;
  const words = (one) => (one.type === "mrkdwn" ? mrkdwn(one.text, names) : one.text);
  const close = (go) => () => {
    mine.confirm = null;
    again();
    if (go) question.go();
  };
  return h(
    "div",
    {
      class: "s-over", key: "confirm",
      onkeydown: (event) => event.key === "Escape" && (event.preventDefault(), close(false)()),
    },
    h(
      "div",
      { class: "s-modal s-confirm", role: "alertdialog", "aria-label": title.text, tabindex: "-1" },
      h("header", {}, h("h3", {}, title.text)),
      h("div", { class: "s-modal-body" }, h("p", {}, words(text))),
      h(
        "footer",
        {},
        h("button", { type: "button", class: "s-button", onclick: close(false) }, deny.text),
        h("button", { type: "button", class: `s-button s-${style ?? "primary"}`, onclick: close(true) }, confirm.text),
      ),
    ),
  );
}

// ---- modals

function dialog(scene) {
  const { chat, mine, act } = scene;
  const view = chat.modal;
  if (!view) return null;
  const sending = `${view.id}\nsubmit`;
  const busy = mine.busy.has(sending);
  const beside = Object.keys(view.errors ?? {}).length > 0; // then each problem stands under its own field
  const problem = mine.problem?.view === view.id && !beside ? mine.problem.words : "";
  const close = () => act("slack.close", { view: view.id });
  const press = (button) => pressed(scene, view.id, { view: view.id }, button);
  const submit = async (event) => {
    event.preventDefault();
    if (mine.busy.has(sending)) return;
    mine.busy.add(sending);
    mine.problem = null;
    again();
    try {
      const told = await act("slack.submit", { view: view.id, values: answersOf(view, mine) });
      mine.problem = told.ok ? null : { view: view.id, words: told.words };
    } finally {
      mine.busy.delete(sending);
      again();
    }
  };
  return h(
    "div",
    {
      class: "s-over", key: "modal",
      onkeydown: (event) => event.key === "Escape" && !mine.confirm && (event.preventDefault(), close()),
    },
    h(
      "form",
      {
        class: view.depth > 1 ? "s-modal s-stacked" : "s-modal", key: view.id, role: "dialog", tabindex: "-1",
        "aria-labelledby": "s-modal-title", novalidate: true, onsubmit: submit,
      },
      h(
        "header",
        {},
        h("h3", { id: "s-modal-title" }, view.title),
        h("button", { type: "button", class: "s-x", "aria-label": "Close", onclick: close }, "✕"),
      ),
      h(
        "div",
        { class: "s-modal-body" },
        problem && h("p", { class: "s-problem", role: "alert" }, problem),
        renderBlocks(view.blocks, inputsAround(scene, view, press)),
      ),
      h(
        "footer",
        {},
        h("button", { type: "button", class: "s-button", onclick: close }, view.close ?? "Close"),
        view.submit
          && h("button", { type: "submit", class: "s-button s-primary", "aria-busy": busy }, busy ? "Sending…" : view.submit),
      ),
    ),
  );
}

const place = (view, block) => `${view.id}\n${block.block_id}\n${block.element.action_id}`;

function inputsAround(scene, view, press) {
  const { mine } = scene;
  return {
    ...blocksAround(scene, view.id, press),
    valueOf: (block) => mine.drafts.get(place(view, block)) ?? shownValue(block, view.values),
    typed: (block, value) => {
      mine.drafts.set(place(view, block), value);
      again();
    },
    problem: (label) => view.errors?.[label] ?? "",
  };
}

/** What was entered and differs from what the modal held, by label. */
function answersOf(view, mine) {
  const changed = view.blocks.filter(
    (block) => block.type === "input" && mine.drafts.has(place(view, block))
      && JSON.stringify(mine.drafts.get(place(view, block))) !== JSON.stringify(shownValue(block, view.values)),
  );
  return Object.fromEntries(changed.map((block) => [block.label.text, mine.drafts.get(place(view, block))]));
}

/** A modal that opens takes the focus, then its first wrong field; when the last one closes, the focus goes back. */
function focusModal(root, view) {
  const wrong = JSON.stringify(view?.errors ?? {});
  if (wrong !== complaints && wrong !== "{}") root.querySelector('.s-modal [aria-invalid="true"]')?.focus();
  complaints = wrong;
  const now = view?.id ?? "";
  const whole = root.querySelector(".s-modal");
  const first = root.querySelector(".s-modal :is(input, textarea, select)");
  const filled = bare && first && document.activeElement === whole;
  if (now === modal && !filled) return;
  modal = now;
  bare = Boolean(now) && !first;
  if (!now) {
    if (opener) focusBack(root, opener);
    opener = null;
    return;
  }
  (first ?? whole)?.focus({ preventScroll: true });
}
