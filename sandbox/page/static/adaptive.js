// Adaptive Cards drawn by Microsoft's own renderer, set up to look and behave as it does inside Teams.

import { calendar, FIELD, isDay, NO_DAY } from "./dates.js";
import { teamsText } from "./teamstext.js";
import { hourAndMinute } from "./times.js";

const AC = globalThis.AdaptiveCards;

const LANGUAGE = "en-GB"; // in which dates are written, as in the rest of the page

const tone = (name) => ({ default: `var(--t-${name})`, subtle: `var(--t-${name}-soft)` });
const TONES = {
  default: tone("ink"), accent: tone("accent"), good: tone("good"), warning: tone("warning"), attention: tone("attention"),
  dark: tone("ink"), light: tone("ink"),
};
const style = (background) => ({ backgroundColor: `var(--t-${background})`, foregroundColors: TONES });
const HOST = new AC.HostConfig({
  fontFamily: "inherit",
  supportsInteractivity: true,
  fontSizes: { small: 12, default: 14, medium: 16, large: 18, extraLarge: 24 },
  fontWeights: { lighter: 300, default: 400, bolder: 600 },
  fontTypes: {
    default: { fontFamily: "inherit" },
    monospace: { fontFamily: "var(--mono)", fontSizes: { small: 12, default: 13, medium: 15, large: 18, extraLarge: 24 } },
  },
  lineHeights: { small: 16, default: 20, medium: 22, large: 24, extraLarge: 32 },
  spacing: { small: 8, default: 12, medium: 16, large: 24, extraLarge: 32, padding: 12 },
  separator: { lineThickness: 1, lineColor: "var(--t-line)" },
  containerStyles: {
    default: style("card"), emphasis: style("emphasis"), accent: style("emphasis"), good: style("emphasis"),
    attention: style("emphasis"), warning: style("emphasis"),
  },
  inputs: { label: { inputSpacing: "none", requiredInputs: { weight: "bolder", suffix: " *", suffixColor: "attention" },
    optionalInputs: { weight: "bolder" } }, errorMessage: { color: "attention", size: "small", spacing: "small" } },
  actions: { maxActions: 6, buttonSpacing: 8, spacing: "default", actionsOrientation: "horizontal", actionAlignment: "left",
    showCard: { actionMode: "inline", inlineTopMargin: 12, style: "emphasis" } },
});

/** A text block whose markdown and mentions become nodes; the renderer would make HTML of them. */
class TeamsTextBlock extends AC.TextBlock {
  constructor() {
    super();
    this.useMarkdown = false;
  }

  internalRender() {
    const element = super.internalRender();
    if (element) element.replaceChildren(...teamsText(element.textContent, this.getRootElement().mentions ?? []));
    return element;
  }
}
AC.GlobalRegistry.elements.register("TextBlock", TeamsTextBlock);

/** A date that one can write as the guide and the cards write it; the browser's own field is behind the calendar. */
class TeamsDateInput extends AC.DateInput {
  overrideInternalRender() {
    const whole = super.overrideInternalRender();
    const field = this.renderedInputControlElement;
    for (const [name, value] of Object.entries(FIELD)) field.setAttribute(name, value);
    const picked = (day) => {
      field.value = day;
      this.valueChanged();
    };
    this.inputControlContainerElement.classList.add("day");
    this.inputControlContainerElement.append(...calendar(this.label ?? "the date", field.value, picked));
    return whole;
  }

  isValid() {
    return this.value ? isDay(this.value) && super.isValid() : !this.isRequired;
  }

  showValidationErrorMessage() {
    const own = this.errorMessage;
    if (this.value && !isDay(this.value)) this.errorMessage = NO_DAY;
    super.showValidationErrorMessage();
    this.errorMessage = own;
  }
}
AC.GlobalRegistry.elements.register("Input.Date", TeamsDateInput);
AC.AdaptiveCard.onProcessMarkdown = () => {};

/**
 * The card as a node.
 * @param {object} around `typed`: input id to what stands in it; `press(title, inputs, data)`: a button with this
 *   data was pressed; the renderer has checked the inputs before.
 */
export function drawnCard(content, { typed = {}, press }) {
  const actions = [];
  const source = marked(structuredClone(content), typed, actions);
  const card = new AC.AdaptiveCard();
  card.hostConfig = HOST;
  card.mentions = (content.msteams?.entities ?? []).filter((one) => one.type === "mention").map((one) => one.text);
  card.parse(source, new AC.SerializationContext());
  card.lang = LANGUAGE;
  card.onExecuteAction = (action) => {
    if (action instanceof AC.OpenUrlAction) return opened(action.url);
    const inputs = Object.fromEntries(card.getAllInputs().map((one) => [one.id, String(one.value ?? "")]));
    return press(action.title ?? "", inputs, actions[Number(action.id)]);
  };
  const made = card.render() ?? document.createElement("div");
  made.classList.add("t-card-inside");
  return made;
}

function opened(url) {
  if (/^https?:\/\//i.test(url ?? "")) window.open(url, "_blank", "noopener,noreferrer");
}

/** The card with each action's place in `actions` as its id, where its data is kept, and what was typed in the inputs. */
function marked(value, typed, actions) {
  if (Array.isArray(value)) for (const one of value) marked(one, typed, actions);
  else if (value && typeof value === "object") {
    if (String(value.type).startsWith("Action.")) value.id = String(actions.push(structuredClone(value.data)) - 1);
    if (String(value.type).startsWith("Input.") && value.id in typed) value.value = typed[value.id];
    if (typeof value.text === "string") value.text = value.text.replace(TIME, (_, at) => hourAndMinute(at));
    for (const name of PARTS) marked(value[name], typed, actions);
  }
  return value;
}

const TIME = /\{\{TIME\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))\)\}\}/g; // the renderer drops the first 0 of "09:05"
const PARTS = ["selectAction", "inlineAction", "body", "items", "columns", "rows", "cells", "inlines", "actions", "card"];
