/** The place "Events": the list with its filters and the strip of the day, or one event. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { DayStrip } from "./day-strip.js";
import { EventDetail } from "./event-detail.js";
import { EventList } from "./event-list.js";
import { formatDateField } from "./format.js";
import { store } from "./store.js";

/** Shows the list, or the event that the address names. */
export class EventsView extends Component {
  #label = h("select", { "aria-label": "Label", onchange: () => this.#filter() }, h("option", { value: "" }, "All labels"));
  #day = h("input", { type: "date", "aria-label": "Day", max: formatDateField(new Date()), onchange: () => this.#filter() });
  #allDays = h("button", { type: "button", hidden: true, onclick: () => this.#setDay("") }, "All days");
  #newest = h("button", { type: "button", hidden: true, onclick: () => this.#filter() }, "Newest");
  #strip = new DayStrip();
  #list = new EventList();
  #overview = h("div", { class: "overview" });
  #detail = new EventDetail();
  #scrollY = 0;

  build() {
    this.className = "events-view";
    this.#detail.hidden = true;
    this.#detail.neighbors = (id) => this.#list.findNeighbors(id);
    replace(this.#overview,
      h("div", { class: "head" }, h("h1", { tabIndex: -1 }, "Events"),
        h("div", { class: "filters" }, this.#label, this.#day, this.#allDays, this.#newest)),
      this.#strip, this.#list);
    replace(this, this.#overview, this.#detail);
    this.listen(this.#strip, "choose", (event) => {
      this.#list.showBefore(event.detail);
      this.#newest.hidden = false;
    });
    this.listen(this.#detail, "deleted", (event) => {
      this.#list.removeEvent(event.detail);
      this.#strip.refresh();
    });
    this.listen(store, "event", (event) => this.#addLabel(event.detail.label));
    this.listen(store, "connection", () => store.connection === "live" && this.#list.catchUp());
    this.#loadLabels();
    this.#filter();
  }

  /**
   * Show the event of the address, or the list.
   * @param {string[]} parts
   */
  follow([id]) {
    if (id && !this.#overview.hidden) this.#scrollY = window.scrollY;
    const returned = !id && this.#overview.hidden;
    this.#overview.hidden = Boolean(id);
    this.#detail.hidden = !id;
    if (id) this.#detail.show(id);
    else this.#detail.leave();
    window.scrollTo(0, id ? 0 : this.#scrollY);
    if (returned) this.#list.focusEvent(this.#detail.shownId);
  }

  /** @param {string} day YYYY-MM-DD, or "" */
  #setDay(day) {
    this.#day.value = day;
    this.#filter();
  }

  #filter() {
    const day = this.#day.value ? new Date(`${this.#day.value}T00:00`) : null;
    this.#allDays.hidden = !day;
    this.#newest.hidden = true;
    this.#strip.show(day ?? new Date(), this.#label.value);
    this.#list.show({ label: this.#label.value, day });
  }

  async #loadLabels() {
    try {
      const found = await request("GET", "/api/events/labels", { signal: this.signal });
      for (const label of found.labels ?? found) this.#addLabel(label);
    } catch { /* the list reports it */ }
  }

  /** @param {string} label */
  #addLabel(label) {
    if ([...this.#label.options].some((option) => option.value === label)) return;
    this.#label.append(h("option", { value: label }, label));
  }
}
customElements.define("events-view", EventsView);
