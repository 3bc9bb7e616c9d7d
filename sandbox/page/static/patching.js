// Makes DOM nodes and patches what stands on the screen into what should stand there; no HTML is ever parsed.

const KEY = Symbol("key");
const LAZY = Symbol("lazy");
const SAME = Symbol("same");
const OPAQUE = Symbol("opaque");
const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "oninput", "onchange", "onsubmit", "onkeydown", "onblur", "onscroll", "onfocus"];

/** An element. `props`: attributes, `on…` handlers, `value` and `checked`, and `key`, by which patching knows it again. */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "key") made[KEY] = String(value);
    else if (HANDLERS.includes(name)) made[name] = value && ((event) => void value(event)); // `false` would cancel a key
    else if (value === false || value === null || value === undefined) continue;
    else if (name === "value" || name === "checked") continue;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...nodesOf(children));
  if ("value" in props) made.value = props.value;
  if ("checked" in props) made.checked = props.checked;
  return made;
}

/** An icon of one stroke: `path` is the `d` of a 24 by 24 drawing. */
export function icon(path) {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("class", "icon");
  drawn.setAttribute("aria-hidden", "true");
  const stroke = document.createElementNS(SVG, "path");
  const look = { d: path, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round" };
  for (const [name, value] of Object.entries(look)) stroke.setAttribute(name, value);
  drawn.append(stroke);
  return drawn;
}

/** A child that is built only where `same` differs from what it was built for before. */
export function lazy(key, same, build) {
  const stands = document.createElement("template");
  stands[KEY] = String(key);
  stands[LAZY] = { same, build };
  return stands;
}

/** The same node, known again by `key`. */
export function keyed(key, node) {
  node[KEY] = String(key);
  return node;
}

/** A node that is never patched inside: replaced as a whole or left alone. */
export function opaque(node) {
  node[OPAQUE] = true;
  return node;
}

/** Make the children of `root` what `wanted` says, keeping focus, scrolling and typing where they are. */
export function patch(root, wanted) {
  const active = document.activeElement;
  const around = active && root.contains(active) ? focusable(active, root) : [];
  children(root, nodesOf([wanted]));
  if (!around.length || root.contains(document.activeElement)) return;
  const nearest = around.find((one) => root.contains(one));
  if (nearest) nearest.focus({ preventScroll: true });
}

/** Nested lists, texts and nothings as one list of nodes. */
function nodesOf(wanted) {
  return wanted
    .flat(Infinity)
    .filter((one) => one !== null && one !== undefined && one !== false)
    .map((one) => (one instanceof Node ? one : document.createTextNode(String(one))));
}

/** Where the focus may fall when what had it is gone: the ancestors that can take it, nearest first. */
function focusable(active, root) {
  const found = [];
  for (let one = active; one && one !== root; one = one.parentElement) if (one.hasAttribute("tabindex")) found.push(one);
  return found;
}

function children(parent, wanted) {
  const keys = new Set(wanted.map((one) => one[KEY]).filter(Boolean));
  const byKey = new Map();
  for (const one of [...parent.childNodes]) {
    if (!one[KEY]) continue;
    if (keys.has(one[KEY])) byKey.set(one[KEY], one);
    else one.remove();
  }
  let at = parent.firstChild;
  for (const fresh of wanted) {
    const live = fresh[KEY] ? byKey.get(fresh[KEY]) : at && !at[KEY] && at.nodeName === fresh.nodeName ? at : null;
    if (!live) {
      parent.insertBefore(built(fresh), at);
      continue;
    }
    byKey.delete(fresh[KEY]); // of children with one key, which a hostile message may hold, the first is patched
    if (live === at) at = at.nextSibling;
    else parent.insertBefore(live, at);
    morph(live, fresh);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function morph(live, fresh) {
  if (fresh[LAZY]) {
    if (live[SAME] === fresh[LAZY].same) return;
    fresh = made(fresh);
  }
  if (live.nodeName !== fresh.nodeName || live[OPAQUE] || fresh[OPAQUE]) return live.replaceWith(built(fresh));
  if (live.nodeType !== Node.ELEMENT_NODE) {
    if (live.data !== fresh.data) live.data = fresh.data;
    return;
  }
  live[SAME] = fresh[SAME];
  for (const { name } of [...live.attributes]) if (!fresh.hasAttribute(name)) live.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (live.getAttribute(name) !== value) live.setAttribute(name, value);
  for (const name of HANDLERS) if (live[name] !== fresh[name]) live[name] = fresh[name];
  children(live, [...fresh.childNodes]);
  if ("checked" in live && live.checked !== fresh.checked) live.checked = fresh.checked;
  if (["INPUT", "TEXTAREA", "SELECT"].includes(live.nodeName) && live.value !== fresh.value) live.value = fresh.value;
}

/** A fresh node with everything lazy inside it built. */
function built(node) {
  if (node[LAZY]) return built(made(node));
  for (const one of node.querySelectorAll?.("template") ?? []) if (one[LAZY]) one.replaceWith(built(one));
  return node;
}

function made(stands) {
  const node = stands[LAZY].build();
  node[KEY] = stands[KEY];
  node[SAME] = stands[LAZY].same;
  return node;
}
