/** Name a new label, or rename one. */

import { Component, h, replace } from "./dom.js";
import { describeError } from "./messages.js";
import { teaching } from "./teaching.js";

/** A field for a name; the device refuses names that cannot be. */
export class NewLabel extends Component {
  #from;
  #done;
  #cancel;
  #field = h("input", { type: "text", maxLength: 64, autocomplete: "off", required: true });
  #problem = h("p", { class: "error-text small", role: "alert" });
  #cancelButton = h("button", { type: "button", onclick: () => this.#cancel() }, "Cancel");

  /**
   * @param {(name: string) => void} done receives the name that the device took
   * @param {() => void} cancel
   * @param {string} [from] the label to rename
   */
  constructor(done, cancel, from = "") {
    super();
    this.#done = done;
    this.#cancel = cancel;
    this.#from = from;
    this.#field.value = from;
  }

  build() {
    const text = this.#from ? `New name of “${this.#from}”` : "Name of the new label";
    replace(this, h("form", { class: "row ends", onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      h("label", { class: "field grow" }, h("span", null, text), this.#field),
      h("button", { class: "primary" }, this.#from ? "Rename" : "Add"), this.#cancelButton), this.#problem);
    this.listen(this.#field, "keydown", (event) => event.key === "Escape" && this.#cancel());
  }

  /** Whether there is another choice than to name a label. */
  set canCancel(/** @type {boolean} */ canCancel) {
    this.#cancelButton.hidden = !canCancel;
  }

  focus() {
    this.#field.focus();
    this.#field.select();
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const name = this.#field.value.trim().replace(/\s+/g, " ");
    if (!name) return;
    replace(this.#problem);
    try {
      const change = this.#from ? { rename: { from: this.#from, to: name } } : { add: name };
      const inForce = await teaching.changeLabels(change); // the device turns "hot dog" into "hot_dog"
      this.#field.value = "";
      this.#done(inForce || name);
    } catch (error) {
      replace(this.#problem, describeError(error));
    }
  }
}
customElements.define("new-label", NewLabel);
