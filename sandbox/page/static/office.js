// The right column: what is happening to one request, the pager, the audit trail, the mailbox (and tables.js).

import { h, icon, lazy, patch } from "./patching.js";
import { drawTables, lookAtNewChange } from "./tables.js";
import { clockTime, day, dayAndTime, exactTime, now } from "./times.js";

const BELL = "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4";
const LETTER = "M3 6h18v12H3zM3 7l9 7 9-7";
const TONES = {
  opened: "go",
  decided: "go",
  "effect done": "go",
  "run finished": "go",
  "on-call paged": "alarm",
  expired: "alarm",
  "not resumed in time": "alarm",
  "run failed": "alarm",
  "effect failed": "alarm",
  "effect unknown": "alarm",
  "forged or stale vote": "alarm",
  "could not be delivered": "alarm",
  "answer refused": "alarm",
};

/** Draw the office into `root`; `page` is {select, selected}. */
export function renderOffice(root, state, page) {
  const { audit, back_office: office } = state.panels ?? {};
  if (office?.tables) lookAtNewChange(office.tables);
  patch(root, [
    audit && (problemOf(audit) ?? drawHappening(audit, page)),
    drawPager(state.pager ?? []),
    audit?.timeline && drawTrail(audit.timeline),
    office && (problemOf(office) ?? drawTables(office.tables, () => renderOffice(root, state, page))),
    drawMail(state.mail ?? []),
  ]);
}

/** What stands in the place of a panel that has failed; null for one that has not. */
export function problemOf(panel) {
  return panel.problem ? h("p", { class: "problem" }, panel.problem) : null;
}

// ---- what is happening

function drawHappening(audit, page) {
  const parts = (audit.line ?? "").split(" · ").filter(Boolean);
  const line = parts.length
    ? h(
        "ol",
        { class: `line ${audit.tone}` },
        parts.map((words, index) =>
          h("li", { key: `${index} ${words}`, title: audit.sources?.[index] ?? null }, words),
        ),
      )
    : h(
        "p",
        { class: "soft" },
        "Nothing yet. Start suggestion 1, or write “@sayso refund order 1042 12” as Alex in #support.",
      );
  return h(
    "section",
    { key: "happening", class: "part", "aria-label": "Now" },
    h("div", { key: "line", "aria-live": "polite", "aria-atomic": "true" }, line),
    audit.requests.length > 0 && drawChoice(audit, page),
  );
}

function drawChoice(audit, page) {
  const known = audit.requests.some((one) => one.id === page.selected);
  const said = (one) =>
    `${one.summary} (${one.state}${one.waiting_for ? `, waits for ${one.waiting_for}` : ""})`;
  return h(
    "label",
    { key: "choice", class: "choice" },
    h("span", { class: "soft" }, "Request"),
    h(
      "select",
      {
        class: "chosen",
        value: known ? page.selected : "",
        onchange: (event) => page.select(event.target.value),
      },
      h("option", { key: "", value: "" }, `Newest: ${said(newest(audit))}`),
      audit.requests.map((one) => h("option", { key: one.id, value: one.id }, said(one))),
    ),
  );
}

function newest(audit) {
  return audit.requests.find((one) => one.id === audit.selected) ?? audit.requests[0];
}

// ---- the pager

function drawPager(incidents) {
  const open = incidents.filter((one) => one.status !== "resolved");
  const rings = open.some((one) => one.status === "triggered");
  const quiet = incidents.length
    ? "Quiet again."
    : "Quiet. If nobody answers in time, on-call is paged here.";
  return h(
    "section",
    { key: "pager", class: rings ? "part pager rings" : "part pager", "aria-label": "Pager" },
    h(
      "h3",
      {},
      icon(BELL),
      "Pager",
      h("span", { class: "told", role: "status" }, rings ? "on-call is paged" : ""),
    ),
    open.length === 0 && h("p", { key: "quiet", class: "soft" }, quiet),
    h(
      "ul",
      { key: "incidents" },
      incidents
        .toReversed()
        .map((one) => lazy(one.id, `${one.status} ${since(one)}${one.summary}`, () => drawIncident(one))),
    ),
  );
}

const since = (incident) => (incident.at ? `${clockTime(incident.at)} ` : "");

function drawIncident(incident) {
  const at = since(incident);
  if (incident.status === "resolved") {
    return h(
      "li",
      { class: "resolved" },
      h("details", {}, h("summary", {}, `${at}resolved: ${incident.summary}`), phone(incident)),
    );
  }
  return h(
    "li",
    { class: `incident ${incident.status}` },
    h("p", {}, h("span", { class: "pill" }, incident.status), h("span", { class: "soft" }, at)),
    h("p", { class: "summary" }, incident.summary),
    h("details", {}, h("summary", {}, "What the phone shows"), phone(incident)),
  );
}

function phone(incident) {
  const shown = Object.entries(incident.details ?? {});
  const text = (words) => (typeof words === "string" ? words : JSON.stringify(words));
  return h(
    "dl",
    {},
    shown.map(([name, words]) => [h("dt", {}, name), h("dd", {}, text(words))]),
  );
}

// ---- the audit trail

function drawTrail(lines) {
  return h(
    "section",
    { key: "trail", class: lines.length ? "part grows" : "part" },
    h(
      "h3",
      {},
      "Audit trail",
      h("span", { class: "told" }, lines.length ? `${lines.length} lines, newest first` : ""),
    ),
    lines.length
      ? h(
          "ol",
          {
            key: "lines",
            class: "trail scrolls",
            tabindex: "0",
            reversed: true,
            "aria-label": "Audit trail",
          },
          lines.map(lineOnce).reverse(),
        )
      : h(
          "p",
          { key: "none", class: "soft" },
          "Who asked, who saw it, who decided and what came of it: every line is kept here.",
        ),
  );
}

/** One line; `lines` are oldest first, so the one above it is the next. A day is said where it is not the day above, or today. */
function lineOnce(line, index, lines) {
  const above = lines[index + 1]?.at ?? now() / 1000;
  const said = day(line.at) === day(above) ? "" : day(line.at);
  return lazy(index, `${line.at} ${said} ${line.event} ${line.words}`, () => drawLine(line, said));
}

function drawLine(line, said) {
  const led =
    line.event === "step" || line.event === "broke off" || line.words.toLowerCase().startsWith(line.event);
  return h(
    "li",
    { class: `entry ${TONES[line.event] ?? ""}` },
    said && h("span", { class: "day" }, said),
    h("time", { datetime: line.at, title: dayAndTime(Date.parse(line.at)) }, exactTime(line.at)),
    h(
      "p",
      {},
      !led && h("b", {}, `${line.event}: `),
      h("bdi", {}, line.words),
      h("span", { class: "by" }, ` ${line.by}`),
    ),
  );
}

// ---- the mailbox

function drawMail(mails) {
  const newestFirst = mails.map((mail, index) => lazy(index, mail.subject, () => drawLetter(mail))).reverse();
  return h(
    "section",
    { key: "mail", class: "part", "aria-label": "Mailbox" },
    h(
      "h3",
      {},
      icon(LETTER),
      "Mailbox",
      h("span", { class: "told" }, mails.length ? `${mails.length} sent` : ""),
    ),
    mails.length === 0 &&
      h(
        "p",
        { key: "none", class: "soft" },
        "No e-mail has left. What the agent sends to customers lands here.",
      ),
    h("ul", { key: "mails", class: "mails" }, newestFirst),
  );
}

function drawLetter(mail) {
  const sent = mail.at ? `, ${clockTime(mail.at)}` : "";
  return h(
    "li",
    {},
    h(
      "details",
      {},
      h("summary", {}, h("b", {}, mail.subject), h("span", { class: "soft" }, ` to ${mail.to}`)),
      h("p", { class: "soft" }, `from ${mail.from}${sent}`),
      h("pre", {}, mail.body),
    ),
  );
}
