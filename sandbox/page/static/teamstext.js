// The words of Teams as DOM nodes: the little markdown of cards, links, and mentions that stand for somebody.

import { h } from "./patching.js";

const INLINE = new RegExp(
  [
    "\\\\(?<escaped>[!-/:-@\\[-`{-~])",
    "<at>(?<at>[^<>]*)</at>",
    "<br\\s*/?>(?<br>)",
    "\\[(?<label>(?:\\\\.|[^\\[\\]\\\\])*)\\]\\((?<address>[^()\\s<>]*)\\)",
    "\\*\\*(?<bold>[^\\s*](?:[^*]*[^\\s*])?)\\*\\*",
    "(?<![\\p{L}\\p{N}_])_(?<italic>[^\\s_](?:[^_]*[^\\s_])?)_(?![\\p{L}\\p{N}_])",
    "(?<![\\p{L}\\p{N}*])\\*(?<slanted>[^\\s*](?:[^*]*[^\\s*])?)\\*(?![\\p{L}\\p{N}*])",
  ].join("|"),
  "gu",
);
const EMPHASIS = { bold: "strong", italic: "em", slanted: "em" };

/** The nodes of a text. `mentions`: each `<at>…</at>` that calls somebody, as it is written; others are only words. */
export function teamsText(text, mentions) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > from) nodes.push(document.createTextNode(text.slice(from, found.index)));
    nodes.push(construct(found, mentions));
    from = found.index + found[0].length;
  }
  if (from < text.length) nodes.push(document.createTextNode(text.slice(from)));
  return nodes;
}

function construct(found, mentions) {
  const { escaped, at, br, label, address } = found.groups;
  if (escaped !== undefined) return document.createTextNode(escaped);
  if (at !== undefined) return mention(found[0], at, mentions);
  if (br !== undefined) return h("br");
  if (label !== undefined) return link(found[0], label, address, mentions);
  const [kind] = Object.keys(EMPHASIS).filter((one) => found.groups[one] !== undefined);
  return h(EMPHASIS[kind], {}, teamsText(found.groups[kind], mentions));
}

function mention(written, name, mentions) {
  return mentions.includes(written) ? h("span", { class: "t-mention" }, name) : document.createTextNode(written);
}

function link(written, label, address, mentions) {
  if (!/^https?:\/\//i.test(address)) return document.createTextNode(written);
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, teamsText(label, mentions));
}
