// Dates as people write them here, whatever this browser's own field would show: YYYY-MM-DD, or picked from a calendar.

import { h, icon } from "./patching.js";

const CALENDAR = "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4";

/** What stands in an empty field. */
export const WRITTEN = "YYYY-MM-DD";

/** What is said of something else. */
export const NO_DAY = `Write the date as ${WRITTEN}, like 2022-01-01.`;

/** Whether a text is a day of the calendar as it is written here. */
export function isDay(text) {
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text); // 30 February would roll over
}

/** What a text field for a date needs besides what every field has. */
export const FIELD = { type: "text", placeholder: WRITTEN, maxlength: 10, autocomplete: "off", spellcheck: "false" };

/** The button that opens the browser's calendar; `value` stands in the field, `picked(day)` is what was chosen. */
export function calendar(label, value, picked) {
  const open = ({ currentTarget: button }) => {
    try {
      button.nextElementSibling.showPicker();
    } catch (error) {
      console.info("This browser shows no calendar here:", error.name); // one can write the date
    }
  };
  return [
    h("button", { key: "open", type: "button", class: "day-open", "aria-label": `Calendar for ${label}`, title: "Calendar", onclick: open },
      icon(CALENDAR)),
    h("input", {
      key: "picker", type: "date", class: "day-picker", tabindex: "-1", "aria-hidden": "true",
      value: isDay(value) ? value : "", onchange: ({ target }) => picked(target.value),
    }),
  ];
}
