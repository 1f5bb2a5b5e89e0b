/** The manual: its topics, and one of them. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { describeError, isAbort } from "./messages.js";
import { link } from "./router.js";
import { renderHtml } from "./safe-html.js";

/** @typedef {{topic?: string, name?: string, title?: string, summary?: string}} Topic */

/** Shows a topic; `list` holds the links to all topics. */
export class ManualView extends Component {
  list = h("ul", { class: "topics" });
  #topic = "";

  build() {
    this.className = "manual-view";
    this.#loadList();
  }

  async #loadList() {
    try {
      const answer = await request("GET", "/api/help", { signal: this.signal });
      replace(this.list, (answer.topics ?? answer).map(buildTopic));
    } catch (error) {
      if (!isAbort(error)) replace(this.list, h("li", { class: "error-text" }, describeError(error)));
    }
  }

  /**
   * Load and show a topic.
   * @param {string} topic
   */
  async show(topic) {
    this.#topic = topic;
    const back = h("a", { class: "button", href: link("device") }, icon("back"), "Device");
    try {
      const { title, html } = await request("GET", `/api/help/${encodeURIComponent(topic)}`, { signal: this.signal });
      if (topic !== this.#topic) return;
      const text = renderHtml(html, (other) => link("device", "manual", other));
      const first = text.firstElementChild;
      if (first?.tagName === "H2" && first.textContent === title) first.remove();
      replace(this, h("div", { class: "head" }, back), h("article", { class: "manual" }, h("h1", { tabIndex: -1 }, title), text));
      this.querySelector("h1")?.focus({ preventScroll: true });
    } catch (error) {
      if (!isAbort(error) && topic === this.#topic) replace(this, back, h("p", { class: "empty", role: "alert" }, describeError(error)));
    }
  }
}
customElements.define("manual-view", ManualView);

/** @param {Topic | string} topic */
function buildTopic(topic) {
  const name = typeof topic === "string" ? topic : topic.topic ?? topic.name ?? "";
  const { title = name, summary = "" } = typeof topic === "string" ? {} : topic;
  return h("li", null, h("a", { href: link("device", "manual", name) }, title), summary && h("span", { class: "soft small" }, summary));
}
