// Slack's mrkdwn as DOM nodes. What it does not know stays the text that was written.

import { h } from "./patching.js";

// One alternative per construct; the first that matches wins, and what is inside emphasis is read again.
const INLINE = new RegExp(
  [
    "```\\n?(?<pre>[^]*?)\\n?```",
    "`(?<code>[^`\\n]+)`",
    "<(?<token>[^<>\\n]+)>",
    "(?<![\\p{L}\\p{N}*])\\*(?<bold>[^\\s*](?:[^*\\n]*[^\\s*])?)\\*(?![\\p{L}\\p{N}*])",
    "(?<![\\p{L}\\p{N}_])_(?<italic>[^\\s_](?:[^_\\n]*[^\\s_])?)_(?![\\p{L}\\p{N}_])",
    "(?<![\\p{L}\\p{N}~])~(?<gone>[^\\s~](?:[^~\\n]*[^\\s~])?)~(?![\\p{L}\\p{N}~])",
  ].join("|"),
  "gu",
);
const EMPHASIS = { bold: "strong", italic: "em", gone: "s" };

/** The nodes of a mrkdwn text. `names` says who and what ids are (see `namesOf`). */
export function mrkdwn(text, names) {
  const lines = text.split(/^(?:&gt;|>) ?(.*)$/m);
  if (lines.length === 1) return inline(text, names);
  const nodes = lines.flatMap((part, i) => {
    if (i % 2) return [h("blockquote", {}, inline(part, names))];
    const between = part.replace(/^\n|\n$/g, "");
    return between ? inline(between, names) : [];
  });
  return nodes;
}

function inline(text, names) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > from) nodes.push(plain(text.slice(from, found.index)));
    nodes.push(construct(found.groups, names));
    from = found.index + found[0].length;
  }
  if (from < text.length) nodes.push(plain(text.slice(from)));
  return nodes;
}

function construct(groups, names) {
  if (groups.pre !== undefined) return h("pre", {}, plain(groups.pre));
  if (groups.code !== undefined) return h("code", {}, plain(groups.code));
  if (groups.token !== undefined) return token(groups.token, names);
  const [kind] = Object.keys(EMPHASIS).filter((one) => groups[one] !== undefined);
  return h(EMPHASIS[kind], {}, inline(groups[kind], names));
}

function token(inside, names) {
  const cut = inside.indexOf("|");
  const target = cut < 0 ? inside : inside.slice(0, cut);
  const label = cut < 0 ? "" : inside.slice(cut + 1);
  if (/^@[UW]/.test(target)) return userMention(target.slice(1), names);
  if (/^#C/.test(target)) return channelMention(target.slice(1), names);
  if (target.startsWith("!subteam^")) return groupMention(target.slice("!subteam^".length), names);
  if (target.startsWith("!date^")) return plain(dated(target, names.now) ?? label);
  if (/^!(here|channel|everyone)$/.test(target)) return broadcast(target.slice(1));
  return link(unescaped(target), label ? unescaped(label) : unescaped(target)) ?? plain(`<${inside}>`);
}

/** `@Bo Berg`; marked when it is the person who looks. */
export function userMention(id, names) {
  return h("span", { class: id === names.me ? "s-mention s-me" : "s-mention" }, `@${names.users[id] ?? id}`);
}

/** `@finance-approvers`. */
export function groupMention(id, names) {
  return h("span", { class: "s-mention" }, `@${names.groups[id] ?? id}`);
}

/** `#support`. */
export function channelMention(id, names) {
  return h("span", { class: "s-mention" }, `#${names.channels[id] ?? id}`);
}

/** `@here` and its like. */
export function broadcast(range) {
  return h("span", { class: "s-mention s-me" }, `@${range}`);
}

/** A link, or null where the address is none that one may follow. */
export function link(address, label) {
  if (!/^(https?:\/\/|mailto:)/i.test(address)) return null;
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, label || address);
}

/** A point in time in the words of a Slack date token; null where the token makes no sense. */
function dated(target, now) {
  const found = /^!date\^(\d{1,11})\^([^^]+)/.exec(target);
  if (!found) return null;
  const at = new Date(Number(found[1]) * 1000);
  if (Number.isNaN(at.getTime())) return null;
  const shown = found[2].replace(/\{(\w+)\}/g, (whole, name) => SHAPES[name]?.(at, now) ?? whole);
  return shown.includes("{") ? null : shown;
}

const local = (options) => (at) => at.toLocaleString("en-US", options);
const SHAPES = {
  time: local({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  time_secs: local({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }),
  date_num: (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`,
  date: local({ month: "long", day: "numeric", year: "numeric" }),
  date_short: local({ month: "short", day: "numeric", year: "numeric" }),
  date_long: local({ weekday: "long", month: "long", day: "numeric", year: "numeric" }),
  date_pretty: (at, now) => near(at, now) ?? SHAPES.date(at),
  date_short_pretty: (at, now) => near(at, now) ?? SHAPES.date_short(at),
  date_long_pretty: (at, now) => near(at, now) ?? SHAPES.date_long(at),
};

const two = (number) => String(number).padStart(2, "0");

/** "today" and its neighbours, as seen at `now`. */
function near(at, now) {
  const day = (time) => Math.floor((time.getTime() - time.getTimezoneOffset() * 60000) / 86400000);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[day(at) - day(now)];
}

const plain = (text) => document.createTextNode(unescaped(text));
const unescaped = (text) => text.replace(/&(lt|gt|amp);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&" })[name]);
