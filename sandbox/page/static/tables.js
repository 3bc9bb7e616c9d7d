// The back office: the rows that the agent's tools change, those that have changed first and marked.

import { keep, kept } from "./kept.js";
import { h, lazy } from "./patching.js";
import { withTimes } from "./times.js";

const DATE = /^\d{4}-\d\d-\d\d$/;
const NUMERIC = /^-?[\d.,\s]+( [A-Z]{3})?$/;

let table = kept("table"); // the table one looks at
let changed = null; // table -> keys of the rows that were marked when last drawn; null before the first drawing

/** Turn to the table in which something has changed since the last drawing. */
export function lookAtNewChange(tables) {
  const now = new Map(tables.map((one) => [one.name, marked(one)]));
  const before = changed ?? (now.has(table) ? now : new Map()); // what one looked at before a reload one looks at again
  for (const [name, keys] of now) {
    if ([...keys].some((key) => !before.get(name)?.has(key))) table = name;
  }
  changed = now;
  if (!now.has(table)) table = tables[0]?.name ?? "";
  keep("table", table);
}

/** The tables to choose from, and the one that is chosen; `redraw` is called when that changes. */
export function drawTables(tables, redraw) {
  const shown = tables.find((one) => one.name === table);
  const turnTo = (name) => () => {
    table = name;
    keep("table", name);
    redraw();
  };
  const tab = (one) => {
    const count = marked(one).size;
    const props = {
      key: one.name,
      class: count ? "tab marked" : "tab",
      type: "button",
      "aria-pressed": String(one === shown),
    };
    return h(
      "button",
      { ...props, onclick: turnTo(one.name) },
      one.name.replaceAll("_", " "),
      count > 0 && h("b", {}, count, h("span", { class: "aside-read" }, " changed")),
    );
  };
  return h(
    "section",
    { key: "tables", class: "part grows tables" },
    h("h3", {}, "Back office", h("span", { class: "told" }, "what the agent's tools change")),
    h("div", { key: "tabs", class: "tabs", role: "group", "aria-label": "Table" }, tables.map(tab)),
    shown && drawTable(shown),
  );
}

function drawTable(shown) {
  const rank = (row) => (row.changed || row.removed ? 0 : 1);
  const rows = [...shown.rows].sort((one, other) => rank(one) - rank(other)); // what changed comes first
  const numeric = shown.columns.map(
    (_, at) => rows.length > 0 && rows.every((row) => NUMERIC.test(String(row.cells[at] ?? "0"))),
  );
  return h(
    "div",
    {
      key: `table ${shown.name}`,
      class: "scrolls",
      tabindex: "0",
      role: "region",
      "aria-label": `Table ${shown.name}`,
    },
    rows.length === 0 && h("p", { class: "soft" }, "No rows."),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, h("span", { class: "aside-read" }, "Mark")),
          shown.columns.map((name, at) =>
            h("th", { scope: "col", class: numeric[at] ? "number-cell" : null }, name.replaceAll("_", " ")),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) => lazy(row.key, JSON.stringify([row, numeric]), () => drawRow(row, numeric))),
      ),
    ),
  );
}

function drawRow(row, numeric) {
  const mark = row.removed ? ["removed", "−"] : row.changed ? ["changed", "●"] : ["", ""];
  return h(
    "tr",
    { class: mark[0] },
    h(
      "td",
      { class: "mark" },
      h("span", { "aria-hidden": "true" }, mark[1]),
      h("span", { class: "aside-read" }, mark[0]),
    ),
    row.cells.map((cell, at) => {
      const text = withTimes(String(cell ?? "–"));
      return h("td", { class: numeric[at] ? "number-cell" : DATE.test(text) ? "whole" : null }, text);
    }),
  );
}

function marked(one) {
  return new Set(one.rows.filter((row) => row.changed || row.removed).map((row) => String(row.key)));
}
