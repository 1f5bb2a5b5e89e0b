/** "That was wrong": file the picture of an event for teaching under another label. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { describeError } from "./messages.js";
import { store } from "./store.js";

const OTHER = "\u0000other";
const NONE = "none";

/** Asks for the right label of an event. */
export class WrongLabel extends Component {
  /** @param {import("./types.js").EventRecord} event */
  constructor(event) {
    super();
    this.event = event;
  }

  build() {
    if (!this.event.picture) return;
    replace(this, h("details", null, h("summary", null, "That was wrong"), this.#buildForm()));
  }

  #buildForm() {
    const labels = (store.status?.model.labels ?? []).filter((label) => label !== this.event.label);
    const choice = h("select", { name: "label" },
      labels.map((label) => h("option", { value: label }, label)),
      h("option", { value: NONE }, "none of these"),
      h("option", { value: OTHER }, "another label…"));
    const other = h("input", { type: "text", maxLength: 255, placeholder: "Label", "aria-label": "Another label", hidden: true });
    const problem = h("p", { class: "error-text", role: "alert" });
    const button = h("button", null, "File the picture");
    choice.onchange = () => {
      other.hidden = choice.value !== OTHER;
      if (!other.hidden) other.focus();
    };
    choice.dispatchEvent(new Event("change"));
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const label = choice.value === OTHER ? other.value.trim() : choice.value;
      if (!label) return void other.focus();
      button.disabled = true;
      replace(problem);
      try {
        await request("POST", `/api/events/${encodeURIComponent(this.event.id)}/wrong`, { json: { label } });
        const shown = label === NONE ? "none of these" : label;
        replace(this, h("p", { class: "note good", role: "status" }, `Filed for teaching under “${shown}”.`));
      } catch (error) {
        replace(problem, describeError(error));
        button.disabled = false;
      }
    };
    return h("form", { class: "stack", onsubmit: submit },
      h("p", { class: "soft" }, "The picture is filed for teaching under the label that you choose."),
      h("div", { class: "row ends" }, h("label", { class: "field" }, h("span", null, "It is"), choice), other, button),
      problem);
  }
}
customElements.define("wrong-label", WrongLabel);
