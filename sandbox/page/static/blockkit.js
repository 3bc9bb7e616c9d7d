// Slack's Block Kit as DOM nodes: every block and element that messages, modals and Home tabs here may hold.

import { calendar, FIELD } from "./dates.js";
import { h, keyed } from "./patching.js";
import { broadcast, channelMention, groupMention, link, mrkdwn, userMention } from "./mrkdwn.js";

/**
 * The nodes of some blocks.
 * @param {object} around `names` (who ids are), `press(button)` for a button; for inputs
 *   `valueOf(block)`, `typed(block, value)` and `problem(label)`; `busy(button)`: whether it is being answered.
 */
export function renderBlocks(blocks, around) {
  return blocks.map((block, i) => keyed(block.block_id ?? i, (BLOCKS[block.type] ?? unknown)(block, around)));
}

const BLOCKS = {
  section,
  rich_text: (block, around) => h("div", { class: "s-rich" }, block.elements.map((one) => rich(one, around))),
  header: (block) => h("h4", { class: "s-header" }, block.text.text),
  divider: () => h("hr", { class: "s-divider" }),
  context: (block, around) =>
    h("div", { class: "s-context" }, block.elements.map((one) => h("span", {}, textOf(one, around)))),
  actions: (block, around) =>
    h("div", { class: "s-actions" }, block.elements.map((one) => element(one, around))),
  input,
  image: (block) => h("p", { class: "s-context" }, `Image: ${block.alt_text}`),
  markdown: (block, around) => h("div", { class: "s-section" }, mrkdwn(block.text, around.names)),
};

function unknown(block) {
  return h("p", { class: "s-context" }, `(a ${block.type} block, which this page does not draw)`);
}

function section(block, around) {
  const fields = (block.fields ?? []).map((one) => h("div", { class: "s-field" }, textOf(one, around)));
  return h(
    "div",
    { class: "s-section" },
    h(
      "div",
      { class: "s-words" },
      block.text && h("div", {}, textOf(block.text, around)),
      fields.length > 0 && h("div", { class: "s-fields" }, fields),
    ),
    block.accessory && h("div", { class: "s-accessory" }, element(block.accessory, around)),
  );
}

function textOf(text, around) {
  if (text.type === "image") return `Image: ${text.alt_text}`;
  return text.type === "mrkdwn" ? mrkdwn(text.text, around.names) : text.text;
}

function element(one, around) {
  if (one.type === "image") return h("span", { class: "s-context" }, `Image: ${one.alt_text}`);
  if (one.type !== "button") return h("span", { class: "s-context" }, `(${one.type})`);
  const label = one.text.text;
  const busy = around.busy(one);
  return h(
    "button",
    {
      type: "button",
      class: `s-button ${one.style ? `s-${one.style}` : ""}`.trim(),
      "aria-label": one.accessibility_label,
      "aria-busy": busy,
      onclick: () => !busy && around.press(one),
    },
    label,
  );
}

const RICH = {
  rich_text_section: (one, around) => h("div", {}, inlines(one, around)),
  rich_text_preformatted: (one, around) => h("pre", {}, inlines(one, around)),
  rich_text_quote: (one, around) => h("blockquote", {}, inlines(one, around)),
  rich_text_list: (one, around) =>
    h(
      one.style === "ordered" ? "ol" : "ul",
      { class: `s-indent-${Math.min(one.indent ?? 0, 5)}` },
      one.elements.map((item) => h("li", {}, inlines(item, around))),
    ),
};

function rich(one, around) {
  return RICH[one.type]?.(one, around) ?? unknown(one);
}

const inlines = (one, around) => one.elements.map((part) => styled(inlineOf(part, around), part.style ?? {}));

function inlineOf(one, { names }) {
  switch (one.type) {
    case "text":
      return document.createTextNode(one.text);
    case "link":
      return link(one.url, one.text || one.url) ?? document.createTextNode(one.text || one.url);
    case "user":
      return userMention(one.user_id, names);
    case "usergroup":
      return groupMention(one.usergroup_id, names);
    case "channel":
      return channelMention(one.channel_id, names);
    case "broadcast":
      return broadcast(one.range);
    case "emoji":
      return document.createTextNode(`:${one.name}:`);
    default:
      return document.createTextNode("");
  }
}

function styled(node, style) {
  for (const [name, tag] of [["code", "code"], ["strike", "s"], ["italic", "em"], ["bold", "strong"]])
    if (style[name]) node = h(tag, {}, node);
  return node;
}

function input(block, around) {
  const label = block.label.text;
  const problem = around.problem(label);
  const id = `${around.prefix}-${block.block_id}`;
  const told = [block.hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(" ");
  const common = { id, "aria-describedby": told || null, "aria-invalid": problem ? "true" : null };
  const group = GROUPS.includes(block.element.type);
  const draw = INPUTS[block.element.type];
  return h(
    group ? "fieldset" : "div",
    { class: problem ? "s-input s-wrong" : "s-input" },
    h(
      group ? "legend" : "label",
      group ? {} : { for: id },
      label,
      block.optional && h("span", { class: "s-optional" }, " (optional)"),
    ),
    draw ? draw(block, common, around) : h("p", { class: "s-context" }, `(${block.element.type})`),
    problem && h("p", { class: "s-problem", id: `${id}-problem`, role: "alert" }, problem),
    block.hint && h("p", { class: "s-hint", id: `${id}-hint` }, textOf(block.hint, around)),
  );
}

const GROUPS = ["radio_buttons", "checkboxes"];
const INPUTS = {
  plain_text_input: (block, common, around) => {
    const lines = block.element.multiline;
    return h(lines ? "textarea" : "input", {
      ...common,
      ...(lines ? { rows: 3 } : { type: "text" }),
      autocomplete: "off",
      placeholder: block.element.placeholder?.text,
      ...typing(block, around),
    });
  },
  number_input: (block, common, around) =>
    h("input", { ...common, type: "text", inputmode: "decimal", autocomplete: "off", ...typing(block, around) }),
  email_text_input: (block, common, around) => h("input", { ...common, type: "email", ...typing(block, around) }),
  url_text_input: (block, common, around) => h("input", { ...common, type: "url", ...typing(block, around) }),
  datepicker: (block, common, around) =>
    h(
      "div",
      { class: "day" },
      h("input", { key: "day", ...common, ...FIELD, ...typing(block, around) }),
      calendar(block.label.text, around.valueOf(block), (day) => around.typed(block, day)),
    ),
  timepicker: (block, common, around) => h("input", { ...common, type: "time", ...typing(block, around) }),
  static_select: (block, common, around) => {
    const chosen = around.valueOf(block);
    const options = (block.element.options ?? []).map(({ text }) =>
      h("option", { selected: text.text === chosen }, text.text),
    );
    const nothing = block.element.placeholder?.text ?? "Select an option";
    const onchange = ({ target }) => around.typed(block, target.selectedIndex > 0 ? target.selectedOptions[0].textContent : "");
    return h("select", { ...common, onchange }, h("option", { selected: !chosen }, nothing), options);
  },
  radio_buttons: (block, common, around) => choices(block, common, around, "radio"),
  checkboxes: (block, common, around) => choices(block, common, around, "checkbox"),
};

function typing(block, around) {
  return { value: around.valueOf(block), oninput: ({ target }) => around.typed(block, target.value) };
}

function choices(block, common, around, type) {
  const several = type === "checkbox";
  const chosen = [around.valueOf(block)].flat();
  return h(
    "div",
    { class: "s-choices", "aria-describedby": common["aria-describedby"] },
    block.element.options.map(({ text, description }, index) => {
      const pick = ({ target }) => {
        if (!several) return around.typed(block, text.text);
        const rest = [around.valueOf(block)].flat().filter((one) => one && one !== text.text);
        around.typed(block, target.checked ? [...rest, text.text] : rest);
      };
      const id = index ? `${common.id}-${index}` : common.id;
      const checked = chosen.includes(text.text);
      return h(
        "div",
        { class: "s-choice" },
        h("input", { type, id, name: common.id, checked, onchange: pick }),
        h("label", { for: id }, textOf(text, around), description && h("small", {}, textOf(description, around))),
      );
    }),
  );
}

/** What a field holds by Slack's own `state.values`: text, an option's label, or a list of labels. */
export function shownValue(block, values) {
  const state = values?.[block.block_id]?.[block.element.action_id] ?? {};
  const { type: _, ...rest } = state;
  const [value] = Object.values(rest);
  if (Array.isArray(value)) return value.map((one) => one.text.text);
  if (value && typeof value === "object") return value.text.text;
  return value === null || value === undefined ? "" : String(value);
}
