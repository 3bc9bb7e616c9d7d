// What both chat panes share: where one looks, what one is writing, times, faces, and the list that stays at its end.

import { h } from "./patching.js";
import { keep, kept, keptUnder } from "./kept.js";
import { clockTime, now, opened } from "./times.js";

const NEAR = 48; // px from the end of a list at which one still counts as being at its end

/** What one person does in one chat and the server need not know: kept per viewer, so that switching loses nothing. */
export class Desk {
  #viewers = new Map();
  #chat;

  /** `chat`: "slack" or "teams". */
  constructor(chat) {
    this.#chat = chat;
  }

  /** The notes of one viewer: chosen channel, what is being answered, drafts, until when it was read, opened threads. */
  of(viewer) {
    if (!this.#viewers.has(viewer)) {
      const drafts = new Map(keptUnder(`${this.#chat} ${viewer} draft `));
      const open = new Set([...drafts.keys()].map((place) => place.split(" ")[1]).filter(Boolean)); // threads one answers
      this.#viewers.set(viewer, {
        channel: kept(`${this.#chat} ${viewer} channel`), tab: kept(`${this.#chat} ${viewer} tab`),
        read: new Map(keptUnder(`${this.#chat} ${viewer} read `)), problem: null, confirm: null, busy: new Set(), drafts, open,
      });
    }
    return this.#viewers.get(viewer);
  }

  /** Somebody has written so much of a message there (channel, or channel and thread); also after a reload. */
  write(viewer, place, text) {
    if (text) this.of(viewer).drafts.set(place, text);
    else this.of(viewer).drafts.delete(place);
    keep(`${this.#chat} ${viewer} draft ${place}`, text);
  }

  /** How many messages of others came to a channel since one looked at it; what stood there when this tab opened counts as read. */
  unread(viewer, chat, channel, chosen) {
    const { read } = this.of(viewer);
    const messages = chat.messages[channel.id] ?? [];
    const till = Number(read.get(channel.id) ?? 0) * 1000;
    const since = Math.max(opened, till <= now() + 60_000 ? till : 0);
    if (channel.id !== chosen?.id) return messages.filter((one) => one.at * 1000 > since && (one.user ?? one.sender) !== chat.me).length;
    const newest = String(Math.max(0, ...messages.map((one) => one.at)));
    read.set(channel.id, newest);
    keep(`${this.#chat} ${viewer} read ${channel.id}`, newest);
    return 0;
  }

  /** Somebody looks at this channel, and at this tab of it; also after a reload. */
  look(viewer, channel, tab = "") {
    Object.assign(this.of(viewer), { channel, tab });
    keep(`${this.#chat} ${viewer} channel`, channel);
    keep(`${this.#chat} ${viewer} tab`, tab);
  }
}

/** The channel one looks at: the chosen one, else the one where something was said last. */
export function chosenChannel(mine, chat) {
  const there = chat.channels.find((one) => one.id === mine.channel);
  if (there) return there;
  const newest = (one) => Math.max(0, ...(chat.messages[one.id] ?? []).map((message) => message.at));
  return chat.channels.toSorted((a, b) => newest(b) - newest(a))[0] ?? null;
}

/** The button of one channel in the list beside or above the messages. */
export function channelButton(kind, channel, { chosen, fresh, onclick }) {
  const current = chosen?.id === channel.id;
  return h(
    "button",
    {
      key: channel.id, type: "button", class: fresh ? `${kind}-channel ${kind}-unread` : `${kind}-channel`,
      "aria-current": current ? "page" : null, title: channel.team || null, onclick,
    },
    h("span", { class: `${kind}-channel-name` }, channel.direct ? channel.name : channel.name.replace(/^#?/, "# ")),
    fresh > 0 && h("span", { class: `${kind}-badge` }, String(fresh), h("span", { class: "aside-read" }, " new")),
  );
}

/** The circle or square with initials; people keep one colour in the whole page. */
export function face(kind, name, app, people) {
  if (app) return h("span", { class: `${kind}-face ${kind}-app-face`, "aria-hidden": "true" }, [...name][0] ?? "?");
  const index = people.findIndex((one) => one.real_name === name);
  const initials = name.split(/\s+/).map((word) => [...word][0] ?? "").join("").slice(0, 2).toUpperCase();
  return h("span", { class: `${kind}-face face-${index < 0 ? 6 : index % 7}`, "aria-hidden": "true" }, initials);
}

/** When something was said. */
export function time(at) {
  const when = new Date(at * 1000);
  return h("time", { datetime: when.toISOString(), title: when.toLocaleString("en-GB") }, clockTime(at));
}

/** Keep a list at its end if it was there or has just been opened, also when its size changes; else leave it. */
export function stay(list, opened) {
  if (!list) return;
  if (opened) {
    ends.add(list);
    begun.delete(list);
  } else if (parked.get(list) === list.scrollTop && begun.get(list) !== newest(list)?.dataset.message) {
    ends.add(list); // nobody has scrolled since a tall message was shown from its beginning: the next one is followed
  }
  sizes.observe(list);
  list.onscroll = () => {
    const left = list.scrollHeight - list.scrollTop - list.clientHeight;
    if (left < NEAR) ends.add(list);
    else ends.delete(list);
  };
  if (ends.has(list)) toEnd(list);
}

/** The end of a list; of a new last message that is taller than the list its beginning, for people read from there. */
function toEnd(list) {
  const last = newest(list);
  if (last && last.offsetHeight > list.clientHeight && begun.get(list) !== last.dataset.message) {
    begun.set(list, last.dataset.message);
    ends.delete(list);
    last.scrollIntoView({ block: "start" });
    parked.set(list, list.scrollTop);
  } else list.scrollTop = list.scrollHeight;
}

function newest(list) {
  return [...list.querySelectorAll("[data-message]")].at(-1);
}

const ends = new WeakSet(); // lists that are at their end
const parked = new WeakMap(); // list -> where it was left when a tall message was shown from its beginning
const begun = new WeakMap(); // list -> its last tall message, whose beginning was shown
const sizes = new ResizeObserver((changed) => {
  for (const { target } of changed) if (ends.has(target)) toEnd(target);
});

/** What has the focus, and the message that it stands in. */
export function focusNow() {
  const node = document.activeElement;
  return { node, message: node?.closest?.("[data-message]")?.dataset.message ?? "" };
}

/** Give the focus back to what had it, or to its message where that was drawn anew. */
export function focusBack(root, { node, message }) {
  const there = node?.isConnected && node !== document.body;
  const still = there ? node : root.querySelector(`[data-message="${CSS.escape(message)}"]`);
  still?.focus({ preventScroll: true });
}

/** The place where one writes; Enter sends, Shift+Enter makes a new line, `@` offers names. */
export function composer(kind, { key, place, names, text, write, send, label }) {
  const offered = offers(text, names);
  const list = `${kind}-offers-${key.replace(/[^\w-]/g, "-")}`;
  const area = h("textarea", {
    class: `${kind}-write`, rows: 1, placeholder: place, "aria-label": place, value: text, autocomplete: "off",
    "aria-autocomplete": "list", "aria-controls": offered.length ? list : null,
    oninput: ({ target }) => write(target.value),
    onkeydown: (event) => onKey(event, offered, { write, send }),
  });
  return h(
    "form",
    {
      key, class: `${kind}-composer`,
      onsubmit: (event) => {
        event.preventDefault();
        follow(event.target);
        send(event.target.querySelector("textarea").value);
      },
    },
    offered.length > 0 && h(
      "div",
      { key: "offers", class: `${kind}-offers`, id: list, role: "listbox", "aria-label": "People to mention" },
      offered.map(([name, real], index) =>
        h(
          "button",
          {
            type: "button", role: "option", tabindex: "-1", "aria-selected": String(index === 0),
            onclick: ({ target }) => {
              const field = target.closest("form").querySelector("textarea");
              field.focus();
              write(completed(field.value, name));
            },
          },
          h("b", {}, `@${name}`), ` ${real === name ? "" : real}`,
        ),
      ),
    ),
    h(
      "div",
      { key: "writing", class: `${kind}-writing` },
      area,
      h(
        "button",
        { type: "submit", class: `${kind}-send`, "aria-label": label, "aria-disabled": text.trim() ? null : "true" },
        "➤",
      ),
    ),
  );
}

/** Names that may be mentioned: the agent first, then people. */
export function callable(state) {
  return [["sayso", "the agent"], ...state.people.map((one) => [one.name, one.real_name])];
}

function offers(text, names) {
  const found = /(?:^|[\s(])@(\w*)$/.exec(text);
  if (!found) return [];
  const begun = found[1].toLowerCase();
  const fits = ([name, real]) => name.startsWith(begun) || real.toLowerCase().startsWith(begun);
  return names.filter((one) => fits(one) && one[0] !== begun).slice(0, 6);
}

function completed(text, name) {
  return text.replace(/@\w*$/, `@${name} `);
}

/** Whoever writes sees what they wrote, and what is said back. */
function follow(node) {
  for (const log of node.closest(".pane")?.querySelectorAll(".s-log, .t-log") ?? []) ends.add(log);
}

function onKey(event, offered, { write, send }) {
  if (event.isComposing) return;
  const field = event.target;
  if (offered.length && (event.key === "Tab" || event.key === "Enter") && !event.shiftKey) {
    event.preventDefault();
    return write(completed(field.value, offered[0][0]));
  }
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    follow(field);
    send(field.value);
  }
}
