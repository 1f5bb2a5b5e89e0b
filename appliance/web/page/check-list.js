/** What `appliance check` finds, trouble first. */

import { request, startUpper } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { describeError, isAbort } from "./messages.js";

/** @typedef {{part: string, ok: boolean, says?: string, message?: string}} Line */

const LIMIT_MS = 120_000;

/** Shows the lines of a check; the button checks again. */
export class CheckList extends Component {
  #lines = h("ul", { class: "stack check", "aria-live": "polite" });
  #again = h("button", { type: "button", onclick: () => this.#load() }, "Check again");

  build() {
    replace(this, h("div", { class: "stack" }, this.#lines, h("div", null, this.#again)));
    this.#load();
  }

  async #load() {
    this.#again.disabled = true;
    replace(this.#lines, h("li", { class: "soft" }, "Checking every part; this takes some seconds…"));
    try {
      /** @type {Line[]} */
      const lines = await request("GET", "/api/device/check", { signal: this.signal, limit_ms: LIMIT_MS });
      replace(this.#lines, [...lines].sort((a, b) => Number(a.ok) - Number(b.ok)).map(buildLine));
    } catch (error) {
      if (!isAbort(error)) replace(this.#lines, h("li", { class: "note danger" }, describeError(error)));
    } finally {
      this.#again.disabled = false;
    }
  }
}
customElements.define("check-list", CheckList);

/** @param {Line} line */
function buildLine({ part, ok, says, message }) {
  const [fact, ...remedy] = (says ?? message ?? "").split("; ");
  const state = h("span", { class: "hidden-text" }, ok ? "ok: " : "not ok: ");
  const text = h("div", null, state, h("strong", null, startUpper(part)), ` ${fact}`,
    remedy.length > 0 && h("div", null, startUpper(remedy.join("; "))));
  return h("li", { class: ok ? "line soft" : "line note warning" }, icon(ok ? "ok" : "warning"), text);
}
