/** The pictures of the dataset: which are shown, the grid, its keys, and what is done with a selection. */

import { Component, h, rebuild, replace } from "./dom.js";
import { showToast } from "./messages.js";
import { LabelChips } from "./label-chips.js";
import { NewLabel } from "./new-label.js";
import { PictureGrid } from "./picture-grid.js";
import { SelectionBar } from "./selection-bar.js";
import { store } from "./store.js";
import { NONE_OF_THESE, teaching } from "./teaching.js";

/** @typedef {import("./teaching.js").Target} Target */

const CHECK_MS = 1500;

/** Shows the chips, the grid, and the bar of the selection. */
export class TeachPictures extends Component {
  #chips = new LabelChips();
  #grid = new PictureGrid();
  #bar = new SelectionBar();
  #label = h("div", { class: "label-head" });
  #state = h("div", { role: "status" });
  #order = h("select", { id: "order", onchange: () => this.#show() },
    h("option", { value: "uncertain" }, "Uncertain first"), h("option", { value: "newest" }, "Newest first"));
  #all = h("button", { type: "button", onclick: () => this.#selectAll() }, "Select all");
  #undo = h("button", { type: "button", id: "undo", onclick: () => teaching.undo() }, "Undo");
  #fresh = h("button", { type: "button", class: "fresh", hidden: true, onclick: () => this.#reload() }, "Show the changes");
  #tools = h("div", { class: "row picture-tools" }, h("label", null, h("span", { class: "hidden-text" }, "Order"), this.#order), this.#all, this.#undo, this.#fresh);
  #isStarted = false;
  /** How many pictures the filter had when they were loaded; null after a change of the viewer's own. */
  #shown = /** @type {number | null} */ (null);
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  /** The model that made the guesses. */
  #guesser = store.status?.model.sha256;

  build() {
    this.className = "teach-pictures";
    replace(this, h("h2", null, "Pictures"), this.#chips, this.#label, this.#tools, this.#grid, this.#state, this.#bar);
    this.listen(this.#chips, "filter", () => this.#show());
    this.listen(this.#grid, "select", () => this.#drawBar());
    this.listen(this.#grid.list, "change", () => this.#drawState());
    this.listen(this.#bar, "move", (event) => this.#move(event.detail));
    this.listen(this.#bar, "clear", () => this.#grid.clear());
    this.listen(teaching, "dataset", () => this.#follow());
    this.listen(teaching, "changed", (event) => this.#apply(event.detail));
    this.listen(teaching, "undone", () => this.#reload());
    this.listen(store, "status", () => this.#followModel());
    this.listen(document, "keydown", (event) => this.#followKey(event));
    this.signal.addEventListener("abort", () => clearTimeout(this.#timer));
    this.#timer = undefined;
    this.#isStarted = false;
    this.#follow();
  }

  /** @returns {number} how many pictures there are in all */
  get #total() {
    const { labels = [], background = 0, unlabeled = 0 } = teaching.dataset ?? {};
    return labels.reduce((sum, label) => sum + label.count, background + unlabeled);
  }

  /** @returns {number} how many pictures the filter has */
  get #wanted() {
    const { kind, label } = this.#chips.filter;
    const { labels = [], background = 0, unlabeled = 0 } = teaching.dataset ?? {};
    if (kind === "label") return labels.find(({ name }) => name === label)?.count ?? 0;
    return kind === "none" ? background : kind === "unlabeled" ? unlabeled : this.#total;
  }

  /** @param {number} [count] how many pictures to load again */
  #reload(count) {
    this.#fresh.hidden = true;
    this.#shown = this.#wanted;
    return this.#grid.list.reload(count);
  }

  #show() {
    this.#grid.clear();
    this.#isStarted = true;
    this.#fresh.hidden = true;
    this.#shown = this.#wanted;
    this.#grid.list.show(this.#chips.filter, this.#order.value);
    this.#drawLabel();
    this.#drawBar();
  }

  /** Follow the counts: start with what needs a decision; offer pictures that came from elsewhere. */
  #follow() {
    const { dataset } = teaching;
    this.#grid.readOnly = !teaching.canChange;
    if (!dataset) return;
    const { filter } = this.#chips;
    const isGone = filter.kind === "label" && !teaching.names.includes(filter.label ?? "");
    if (!this.#isStarted) this.#chips.choose({ kind: dataset.unlabeled ? "unlabeled" : "all" });
    else if (isGone) this.#chips.choose({ kind: "all" });
    else this.#timer ??= setTimeout(() => this.#check(), CHECK_MS); // a recording changes the counts twice a second
    this.#drawLabel();
    this.#drawBar();
    this.#drawState();
  }

  /** Show what came from elsewhere at once, unless the grid would move under the viewer's hands. */
  #check() {
    this.#timer = undefined;
    const { list, selected } = this.#grid;
    this.#shown ??= this.#wanted;
    if (list.isLoading) return;
    const isOld = (list.more ? this.#shown : list.items.length) !== this.#wanted;
    const isBusy = selected.size > 0 || this.#grid.getBoundingClientRect().top < 0;
    if (isBusy) this.#fresh.hidden &&= !isOld;
    else if (isOld || list.items.some(({ guess }) => !guess)) this.#reload(1); // a guess may be known now
  }

  /** Take away the guesses of a model that does not run any more. */
  #followModel() {
    const guesser = store.status?.model.sha256;
    if (guesser === this.#guesser) return;
    this.#guesser = guesser;
    if (this.#grid.selected.size) this.#fresh.hidden = false;
    else if (this.#isStarted) this.#reload();
  }

  /** @param {import("./teaching.js").Change} change */
  #apply(change) {
    const wasActive = this.#grid.active?.id === change.ids[0];
    const { length } = this.#grid.list.items;
    this.#shown = null;
    this.#grid.clear();
    this.#grid.list.apply(change);
    if (wasActive && this.#grid.list.items.length === length) this.#grid.advance();
  }

  /** @param {Target | null} target */
  #move(target) {
    const ids = this.#grid.selectedIds;
    const { active } = this.#grid;
    return teaching.move(ids.length ? ids : active ? [active.id] : [], target);
  }

  #selectAll() {
    if (this.#grid.selected.size) return this.#grid.clear();
    this.#grid.selectAll();
    const { selected, list } = this.#grid;
    if (list.more || selected.size < list.items.length) showToast(`The first ${selected.size} pictures are selected`);
    return this.#grid.focus();
  }

  /** @param {KeyboardEvent} event */
  #followKey(event) {
    const field = event.target instanceof HTMLElement && event.target.closest("input, select, textarea, dialog, [role=slider]");
    if (field || event.altKey || !this.offsetParent || !teaching.canChange) return;
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "z" && command && !event.shiftKey && teaching.dataset?.undo) teaching.undo();
    else if (command) return;
    else if (event.key === "Escape" && this.#grid.selected.size) this.#grid.clear();
    else if (!this.#grid.selected.size && !this.#grid.active) return;
    else if (event.key === "Delete") this.#move(null);
    else if (event.key === "0") this.#move({ label: null, background: true });
    else if (/^[1-9]$/.test(event.key) && teaching.names[Number(event.key) - 1]) this.#move({ label: teaching.names[Number(event.key) - 1] });
    else return;
    event.preventDefault();
  }

  #drawBar() {
    const { selected, list } = this.#grid;
    const chosen = list.items.filter((picture) => selected.has(picture.id));
    this.#bar.show(chosen.length, chosen.every((picture) => picture.label !== null || picture.background));
    const undo = teaching.dataset?.undo ?? 0;
    this.#undo.hidden = !undo;
    rebuild(this.#undo, undo, () => ["Undo", h("span", { class: "soft" }, `(${undo})`)]);
    rebuild(this.#all, Boolean(selected.size), () => (selected.size ? "Select none" : "Select all"));
    this.#all.hidden = !teaching.canChange || !list.items.length;
  }

  /** The label that is shown, with its name to change. */
  #drawLabel() {
    const { filter } = this.#chips;
    const label = filter.kind === "label" ? filter.label ?? "" : "";
    const build = () => {
      if (!label || !teaching.canChange) return null;
      const rename = () => {
        const field = new NewLabel((name) => this.#chips.choose({ kind: "label", label: name }), () => replace(this.#label, build()), label);
        replace(this.#label, field);
        field.focus();
      };
      return h("div", { class: "row" },
        h("button", { type: "button", id: "rename-label", onclick: rename }, `Rename “${label}”`),
        h("button", { type: "button", id: "remove-label", onclick: () => this.#removeLabel(label) }, "Remove this label"));
    };
    rebuild(this.#label, [label, teaching.canChange], build);
  }

  /** @param {string} label */
  async #removeLabel(label) {
    try {
      await teaching.changeLabels({ remove: label });
      showToast(`“${label}” is removed; its pictures are unlabeled now`, h("button", { type: "button", onclick: () => teaching.undo() }, "Undo"));
    } catch (error) {
      showToast(error instanceof Error ? error.message : String(error));
    }
  }

  #drawState() {
    const { list } = this.#grid;
    this.#tools.hidden = !this.#total;
    this.#drawBar();
    const text = list.items.length || !this.#isStarted ? "" : list.isLoading ? "Loading…" : this.#describeEmpty();
    rebuild(this.#state, [list.problem, text, list.isLoading && list.items.length > 0], () => {
      if (list.problem) return h("div", { class: "note danger" }, list.problem, h("div", { class: "row" },
        h("button", { type: "button", onclick: () => this.#reload() }, "Try again")));
      if (text === "steps") return buildSteps();
      return text ? h("p", { class: "empty" }, text) : null;
    });
  }

  #describeEmpty() {
    const { kind, label } = this.#chips.filter;
    if (!this.#total) return "steps";
    if (kind === "unlabeled") return "Every picture has a label.";
    if (kind === "label") return `No pictures of “${label}” yet: choose it above, hold the thing before the camera, and hold the button.`;
    return kind === "none" ? `No pictures of “${NONE_OF_THESE}” yet: record what the camera sees when none of your things is there.` : "No pictures.";
  }
}
customElements.define("teach-pictures", TeachPictures);

function buildSteps() {
  return h("div", { class: "empty steps" }, h("h3", null, "Teach the device your own things"), h("ol", null,
    h("li", null, "Name a thing, hold it before the camera, and hold the button: 30 pictures are a good start, 10 the least."),
    h("li", null, "Do the same with a second thing."),
    h("li", null, `Record “${NONE_OF_THESE}” too: what the camera sees otherwise.`),
    h("li", null, "Press Train, look at how good the model is, and use it.")),
  h("p", null, "Pictures that the device collects, and events that you mark as wrong, appear here too."));
}
