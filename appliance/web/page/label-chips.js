/** The labels as chips with their counts: what is enough, what needs more, and which pictures the grid shows. */

import { colorClass } from "./colors.js";
import { Component, h, rebuild, replace } from "./dom.js";
import { NewLabel } from "./new-label.js";
import { NONE_OF_THESE, teaching } from "./teaching.js";

/** @typedef {import("./picture-list.js").Filter} Filter */
/** @typedef {{key: string, filter: Filter, text: string, count: number, note: string, kind: string, number: string}} Chip */

const GOOD_START = 30;

/** Emits `filter` when the viewer chooses what to see. */
export class LabelChips extends Component {
  /** @type {Filter} */
  filter = { kind: "all" };
  #chips = h("div", { class: "label-chips", role: "group", "aria-label": "Which pictures" });
  #add = h("div", { class: "add" });

  build() {
    replace(this, this.#chips, this.#add);
    this.listen(teaching, "dataset", () => this.#draw());
    this.#showButton();
    this.#draw();
  }

  /** @param {Filter} filter */
  choose(filter) {
    this.filter = filter;
    this.#draw();
    this.dispatchEvent(new Event("filter"));
  }

  #showButton() {
    replace(this.#add, teaching.canChange && h("button", { type: "button", id: "new-label", class: "plain", onclick: () => this.#showField() }, "+ New label"));
  }

  #showField() {
    const close = () => {
      this.#showButton();
      /** @type {HTMLElement | null} */ (this.#add.firstElementChild)?.focus();
    };
    const field = new NewLabel(close, close);
    replace(this.#add, field);
    field.focus();
  }

  #draw() {
    const { dataset } = teaching;
    this.#add.hidden = !dataset?.labels.length; // the first label is named where it is recorded
    if (!dataset) return;
    const chips = makeChips(dataset);
    const current = keyOf(this.filter);
    const focused = document.activeElement?.getAttribute("data-key");
    rebuild(this.#chips, [chips, current], () => chips.map((chip) => this.#build(chip, chip.key === current)));
    if (!focused) return;
    const again = [...this.#chips.children].find((child) => child.getAttribute("data-key") === focused);
    /** @type {HTMLElement | undefined} */ (again)?.focus({ preventScroll: true });
  }

  /**
   * @param {Chip} chip
   * @param {boolean} isChosen
   */
  #build({ key, filter, text, count, note, kind, number }, isChosen) {
    const color = filter.kind === "label" ? colorClass(filter.label) : "label-none";
    return h("button", {
      type: "button", class: `chip ${color}`, "data-key": key, "aria-pressed": String(isChosen), onclick: () => this.choose(filter),
    },
    number && h("kbd", { "aria-hidden": "true" }, number), filter.kind === "label" && h("span", { class: "swatch", "aria-hidden": "true" }),
    h("span", { class: "name" }, text), h("strong", null, count),
    note === "enough" ? [h("span", { class: "enough", "aria-hidden": "true" }, "✓"), h("span", { class: "hidden-text" }, "enough")]
      : note && h("span", { class: `chip-note ${kind}` }, note));
  }
}
customElements.define("label-chips", LabelChips);

/** @param {Filter} filter */
function keyOf(filter) {
  return `${filter.kind}:${filter.label ?? ""}`;
}

/**
 * @param {import("./teaching.js").Dataset} dataset
 * @returns {Chip[]}
 */
function makeChips({ labels, background, unlabeled }) {
  const total = labels.reduce((sum, label) => sum + label.count, background + unlabeled);
  /**
   * @param {Filter} filter
   * @param {string} text
   * @param {number} count
   * @param {{note?: string, kind?: string, number?: string}} [more]
   */
  const chip = (filter, text, count, { note = "", kind = "", number = "" } = {}) =>
    ({ key: keyOf(filter), filter, text, count, note, kind, number });
  return [
    chip({ kind: "all" }, "all", total),
    chip({ kind: "unlabeled" }, "unlabeled", unlabeled),
    ...labels.map(({ name, count, missing, recordings }, index) => chip({ kind: "label", label: name }, name, count, {
      // With one recording, no picture can be held out to test the model.
      note: missing > 0 ? `needs ${missing} more` : recordings === 1 ? "record it once more" : count < GOOD_START ? "more would help" : "enough",
      kind: missing > 0 ? "missing" : "",
      number: index < 9 ? String(index + 1) : "",
    })),
    chip({ kind: "none" }, NONE_OF_THESE, background, { number: "0" }),
  ];
}
