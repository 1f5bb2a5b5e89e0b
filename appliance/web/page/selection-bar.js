/** What can be done with the selected pictures: label or move them, none of these, delete, undo. */

import { Component, h, rebuild, replace, setText } from "./dom.js";
import { NewLabel } from "./new-label.js";
import { buildTargets, NONE_OF_THESE, parseTarget, teaching } from "./teaching.js";

/** @typedef {import("./teaching.js").Target} Target */

/** Emits `move` with a `Target`, or null to delete, and `clear`. */
export class SelectionBar extends Component {
  #count = h("strong", { role: "status" });
  #choice = h("select", { id: "label-as", onchange: () => this.#followChoice() });
  #newLabel = new NewLabel((name) => this.#finish(name), () => this.#showNewLabel(false));
  #row = h("div", { class: "row" });
  #undo = h("button", { type: "button", onclick: () => teaching.undo() }, "Undo");
  #isDecided = false;
  #size = 0;

  build() {
    this.className = "selection-bar";
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", "Selected pictures");
    replace(this, this.#row, this.#newLabel);
    replace(this.#row,
      h("button", { type: "button", class: "plain", ariaLabel: "Clear the selection", onclick: () => this.dispatchEvent(new Event("clear")) }, "×"),
      this.#count,
      h("label", { class: "choice" }, h("span", { class: "hidden-text" }, "Label the selected pictures"), this.#choice),
      h("button", { type: "button", id: "label-none", onclick: () => this.#send({ label: null, background: true }) }, NONE_OF_THESE),
      h("button", { type: "button", id: "delete-pictures", class: "dangerous", onclick: () => this.#send(null) }, "Delete"),
      this.#undo);
    this.#newLabel.hidden = true;
    this.listen(teaching, "dataset", () => this.#draw());
    this.#draw();
  }

  /**
   * @param {number} size how many pictures are selected
   * @param {boolean} isDecided whether all of them have a label already
   */
  show(size, isDecided) {
    this.#size = size;
    this.#isDecided = isDecided;
    if (!size) this.#newLabel.hidden = true;
    this.#draw();
  }

  #draw() {
    this.hidden = !this.#size;
    setText(this.#count, `${this.#size} selected`);
    rebuild(this.#choice, [teaching.names, this.#isDecided], () => [
      h("option", { value: "" }, this.#isDecided ? "Move to…" : "Label as…"), ...buildTargets(teaching.names, { unlabeled: this.#isDecided, more: true })]);
    this.#undo.disabled = !teaching.dataset?.undo;
  }

  #followChoice() {
    const { value } = this.#choice;
    this.#choice.value = "";
    if (value === "new") return this.#showNewLabel(true);
    const target = parseTarget(value);
    return target && this.#send(target);
  }

  /** @param {boolean} isShown */
  #showNewLabel(isShown) {
    this.#newLabel.hidden = !isShown;
    if (isShown) this.#newLabel.focus();
    else this.#choice.focus();
  }

  /** @param {string} name */
  #finish(name) {
    this.#newLabel.hidden = true;
    this.#send({ label: name });
  }

  /** @param {Target | null} target */
  #send(target) {
    this.dispatchEvent(new CustomEvent("move", { detail: target }));
  }
}
customElements.define("selection-bar", SelectionBar);
