/** One event: its picture with all scores, its times, "that was wrong", and "delete". */

import { ApiError, request } from "./api.js";
import { colorClass } from "./colors.js";
import { Component, h, replace } from "./dom.js";
import { formatDateTime, formatDeviceTime, formatDuration, formatPercent } from "./format.js";
import { icon } from "./icons.js";
import { confirmDeletion, describeError, isAbort, reportErrors, showToast } from "./messages.js";
import { nameModel } from "./model-text.js";
import { link } from "./router.js";
import { buildScores } from "./scores.js";
import { store } from "./store.js";
import { WrongLabel } from "./wrong-label.js";

/** @typedef {import("./types.js").EventRecord} EventRecord */

const SWIPE_PX = 60;
// The history is written a moment after an event is reported.
const WRITTEN_MS = 1500;

/** Shows an event; keys and swipes lead to its neighbors. Emits `deleted` with the id of an event. */
export class EventDetail extends Component {
  shownId = "";
  /** @type {(id: string) => {newer?: string, older?: string}} */
  neighbors = () => ({});
  #older = "";
  #touch_px = /** @type {number | null} */ (null);

  build() {
    this.className = "event-detail";
    this.listen(document, "keydown", (event) => this.#followKey(event));
    this.listen(store, "event", (event) => {
      const { id } = event.detail;
      if (!this.hidden && id === this.shownId) setTimeout(() => id === this.shownId && this.show(id), WRITTEN_MS);
    });
  }

  /** Forget the event, when the list is shown again. */
  leave() {
    replace(this);
  }

  /**
   * Load and show an event.
   * @param {string} id
   */
  async show(id) {
    const again = this.shownId === id && this.childElementCount > 0;
    this.shownId = id;
    this.#older = "";
    try {
      const event = await request("GET", `/api/events/${encodeURIComponent(id)}`, { signal: this.signal });
      if (this.shownId !== id || this.hidden) return;
      this.#draw(event);
      if (!again) this.querySelector("h1")?.focus({ preventScroll: true });
      if (!this.neighbors(id).older) await this.#findOlder(id);
      this.#drawLinks();
    } catch (error) {
      if (!isAbort(error) && this.shownId === id) this.#drawProblem(error);
    }
  }

  /** @param {string} id */
  async #findOlder(id) {
    const answer = await request("GET", `/api/events?limit=1&before=${encodeURIComponent(id)}`, { signal: this.signal });
    if (this.shownId === id) this.#older = answer.events[0]?.id ?? "";
  }

  /** @param {unknown} error */
  #drawProblem(error) {
    const gone = error instanceof ApiError && error.status === 404;
    replace(this, buildBack(), h("div", { class: "empty", role: "alert" }, gone
      ? [h("p", null, "This event is no longer in the history."), h("p", null, "The oldest events are removed when the history is full.")]
      : h("p", null, describeError(error))));
  }

  /** @param {EventRecord} event */
  #draw(event) {
    const picture = h("div", { class: "picture" }, this.#buildPicture(event));
    picture.addEventListener("touchstart", (touch) => (this.#touch_px = touch.touches.length === 1 ? touch.touches[0].clientX : null));
    picture.addEventListener("touchend", (touch) => this.#followSwipe(touch));
    replace(this,
      h("div", { class: "head" }, buildBack(), h("div", { class: "row neighbors" })),
      h("div", { class: "detail-grid" }, picture,
        h("div", { class: "stack" },
          h("h1", { tabIndex: -1 }, h("span", { class: `swatch ${colorClass(event.label)}` }), event.label),
          buildFacts(event),
          h("div", null, h("h2", null, "Scores in the first frame"), buildScores(event.scores)),
          new WrongLabel(event),
          h("div", { class: "row" }, h("button", { type: "button", class: "dangerous", onclick: () => this.#delete(event) }, "Delete the event")))));
    this.#drawLinks();
  }

  /** @param {EventRecord} event */
  async #delete(event) {
    if (!await confirmDeletion("Delete this event and its picture? A picture that was filed for teaching stays.", "Delete")) return;
    const done = await reportErrors(request("DELETE", `/api/events/${encodeURIComponent(event.id)}`, { limit_ms: 40_000 }));
    if (done === undefined) return;
    showToast("The event is deleted");
    this.dispatchEvent(new CustomEvent("deleted", { detail: event.id }));
    if (this.shownId === event.id && !this.hidden) location.replace(link("events"));
  }

  /** @param {EventRecord} event */
  #buildPicture(event) {
    const none = (/** @type {string} */ text) => h("p", null, text);
    if (!event.picture) return none("No picture was kept of this event.");
    const image = h("img", { alt: `The frame that started ${event.label}`, src: `/api/events/${encodeURIComponent(event.id)}.jpg` });
    image.onerror = () => image.replaceWith(none("The picture of this event was removed."));
    return image;
  }

  /** Draw the links to the neighbors. */
  #drawLinks() {
    const row = this.querySelector(".neighbors");
    if (!row) return;
    const { newer, older = this.#older } = this.neighbors(this.shownId);
    replace(row,
      newer && h("a", { class: "button", href: link("events", newer) }, icon("back"), "Newer"),
      older && h("a", { class: "button", href: link("events", older) }, "Older", icon("next")));
  }

  /** @param {KeyboardEvent} event */
  #followKey(event) {
    const field = event.target instanceof HTMLElement && event.target.closest("input, select, textarea, dialog, [role=slider]");
    if (this.hidden || field || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") this.#go("newer");
    if (event.key === "ArrowRight") this.#go("older");
    if (event.key === "Escape") location.hash = link("events");
  }

  /** @param {TouchEvent} event */
  #followSwipe(event) {
    const moved = event.changedTouches[0].clientX - (this.#touch_px ?? event.changedTouches[0].clientX);
    this.#touch_px = null;
    if (Math.abs(moved) > SWIPE_PX) this.#go(moved > 0 ? "newer" : "older");
  }

  /** @param {"newer" | "older"} direction */
  #go(direction) {
    const id = this.neighbors(this.shownId)[direction] ?? (direction === "older" ? this.#older : "");
    if (id) location.replace(link("events", id));
  }
}
customElements.define("event-detail", EventDetail);

function buildBack() {
  return h("a", { class: "button", href: link("events") }, icon("back"), "All events");
}

/** @param {EventRecord} event */
function buildFacts(event) {
  /** @type {[string, string][]} */
  const facts = [
    ["Started", withDeviceTime(event.started)],
    ["Ended", event.ended ? withDeviceTime(event.ended) : "still open"],
    ["Lasted", event.duration_s === null ? "" : formatDuration(event.duration_s)],
    ["Score", `${formatPercent(event.score)} at the start, at most ${formatPercent(event.peak_score)}`],
    ["Model", nameModel(event.model)],
    ["Why it ended", event.reason ?? ""],
  ];
  return h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) => [h("dt", null, name), h("dd", null, value)]).flat());
}

/** @param {string} time */
function withDeviceTime(time) {
  const date = new Date(time);
  const there = formatDeviceTime(date, store.status?.device.timezone);
  return formatDateTime(date) + (there && ` (${there} on the device)`);
}

