/** The events, newest first, 50 at a time as the viewer scrolls. */

import { request } from "./api.js";
import { colorClass } from "./colors.js";
import { Component, h, replace } from "./dom.js";
import { formatDay, formatDeviceTime, formatDuration, formatPercent, formatTime } from "./format.js";
import { describeError, isAbort } from "./messages.js";
import { link } from "./router.js";
import { store } from "./store.js";

/** @typedef {import("./types.js").EventRecord} EventRecord */
/** @typedef {{label: string, day: Date | null}} Filter */

const PAGE = 50;
const THUMBNAIL_TRIES = 3;
const THUMBNAIL_RETRY_MS = 1500;

/** Shows the events that pass the filter. */
export class EventList extends Component {
  /** @type {Filter} */
  #filter = { label: "", day: null };
  /** @type {EventRecord[]} */
  #events = [];
  #rows = h("div", { class: "rows" });
  #state = h("div", { role: "status" });
  #end = h("div", { "aria-hidden": "true" }, "\u00a0");
  #more = true;
  #before_ms = /** @type {number | null} */ (null);
  #loading = new AbortController();
  #isLoading = false;
  #missed = false;
  /** @type {Set<string>} events that the viewer deleted; one that was open still reports its end */
  #deleted = new Set();

  build() {
    replace(this, this.#rows, this.#state, this.#end);
    this.listen(store, "event", (event) => this.#receive(event.detail));
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.#load();
    }, { rootMargin: "600px" });
    observer.observe(this.#end);
    this.listen(window, "scroll", () => this.#followScroll());
    this.signal.addEventListener("abort", () => observer.disconnect());
  }

  /**
   * Show the events of a filter from the newest on.
   * @param {Filter} filter
   */
  show(filter) {
    this.#filter = filter;
    this.#before_ms = null;
    this.#start();
  }

  /**
   * Show the events that started before a time.
   * @param {Date} time
   */
  showBefore(time) {
    this.#before_ms = +time;
    this.#start();
  }

  /** Load what happened while the connection was lost. */
  catchUp() {
    this.#missed = this.#events.length > 0 && this.#before_ms === null;
    this.#followScroll();
  }

  /** Load missed events once the newest are in view; the list must not jump while one reads further below. */
  #followScroll() {
    if (this.#missed && window.scrollY < 200 && this.offsetParent) this.#start();
  }

  /**
   * Return the ids of the next newer and the next older event of the list.
   * @param {string} id
   * @returns {{newer?: string, older?: string}}
   */
  findNeighbors(id) {
    const index = this.#events.findIndex((event) => event.id === id);
    if (index < 0) return {};
    if (index > this.#events.length - 3) this.#load();
    return { newer: this.#events[index - 1]?.id, older: this.#events[index + 1]?.id };
  }

  /**
   * Remove an event that was deleted, and the header of its day if it was the only one.
   * @param {string} id
   */
  removeEvent(id) {
    this.#deleted.add(id);
    this.#events = this.#events.filter((event) => event.id !== id);
    const row = this.#findRow(id);
    const header = row?.previousElementSibling;
    if (header?.matches(".day") && !row?.nextElementSibling?.matches(".event")) header.remove();
    row?.remove();
    this.#drawState();
  }

  /** @param {string} id */
  focusEvent(id) {
    this.#findRow(id)?.focus({ preventScroll: true });
  }

  /**
   * @param {string} id
   * @returns {HTMLElement | undefined}
   */
  #findRow(id) {
    return /** @type {HTMLElement[]} */ ([...this.#rows.children]).find((child) => child.getAttribute("data-id") === id);
  }

  #start() {
    this.#loading.abort();
    this.#loading = new AbortController();
    this.#isLoading = false;
    this.#events = [];
    this.#missed = false;
    this.#more = true;
    replace(this.#rows);
    replace(this.#state);
    this.#load();
  }

  async #load() {
    if (this.#isLoading || !this.#more) return;
    this.#isLoading = true;
    const signal = this.#loading.signal;
    try {
      const answer = await request("GET", `/api/events?${this.#makeQuery()}`, { signal });
      this.#more = Boolean(answer.more);
      this.#append(answer.events);
      this.#drawState();
    } catch (error) {
      if (isAbort(error)) return;
      const retry = () => { replace(this.#state); this.#load(); };
      replace(this.#state, h("div", { class: "note danger" }, describeError(error), h("div", { class: "row" },
        h("button", { type: "button", onclick: retry }, "Try again"))));
    } finally {
      if (signal === this.#loading.signal) this.#isLoading = false;
    }
    if (this.#more && !this.hidden && this.#end.getBoundingClientRect().top < innerHeight + 600 && this.offsetParent) this.#load();
  }

  /** @returns {URLSearchParams} */
  #makeQuery() {
    const { label, day } = this.#filter;
    const query = new URLSearchParams({ limit: String(PAGE) });
    const last = this.#events.at(-1);
    if (label) query.set("label", label);
    if (last) query.set("before", last.id);
    if (day) query.set("since", day.toISOString());
    const until = day ? +endOfDay(day) : Infinity;
    // Where the last event was, if it was removed in the meantime; times have milliseconds.
    const limit = Math.min(until, last ? Date.parse(last.started) + 1 : this.#before_ms ?? Infinity);
    if (limit < Infinity) query.set("until", new Date(limit).toISOString());
    return query;
  }

  /** @param {EventRecord[]} events */
  #append(events) {
    for (const event of events) {
      if (this.#events.some((known) => known.id === event.id)) continue;
      this.#addDay(event, this.#events.at(-1));
      this.#rows.append(buildRow(event));
      this.#events.push(event);
    }
  }

  /**
   * Add the header of a day, if the event is the first of it.
   * @param {EventRecord} event
   * @param {EventRecord | undefined} previous
   */
  #addDay(event, previous) {
    const day = formatDay(new Date(event.started));
    if (!previous || formatDay(new Date(previous.started)) !== day) this.#rows.append(h("h2", { class: "day" }, day));
  }

  /**
   * Add an event that started, or change one that ended.
   * @param {EventRecord} event
   */
  #receive(event) {
    const index = this.#events.findIndex((known) => known.id === event.id);
    if (index >= 0) {
      this.#events[index] = event;
      const row = this.#findRow(event.id);
      if (row) fillRow(row, event);
      return;
    }
    if (!this.#passes(event)) return;
    const day = formatDay(new Date(event.started));
    let header = this.#rows.firstElementChild;
    if (header?.textContent !== day) this.#rows.prepend((header = h("h2", { class: "day" }, day)));
    const row = buildRow(event);
    row.dataset.fresh = "";
    header.after(row);
    this.#events.unshift(event);
    this.#drawState();
  }

  /** @param {EventRecord} event */
  #passes(event) {
    const { label, day } = this.#filter;
    const at = Date.parse(event.started);
    if ((this.#isLoading && !this.#events.length) || this.#deleted.has(event.id)) return false;
    if (this.#before_ms !== null || (label && label !== event.label)) return false;
    if (this.#events.length && at < Date.parse(this.#events[0].started)) return false;
    return !day || (at >= +day && at < +endOfDay(day));
  }

  #drawState() {
    const status = store.status;
    const { label, day } = this.#filter;
    if (this.#events.length) return replace(this.#state);
    if (status && !status.history.enabled) return replace(this.#state, buildEmpty("No history is kept.",
      "Set history.enabled to true in the settings to keep events with their pictures."));
    if (label || day || this.#before_ms !== null) return replace(this.#state, buildEmpty("No events match."));
    return replace(this.#state, buildEmpty("No events yet.",
      "An event starts when a label stays above the threshold for some frames."));
  }
}
customElements.define("event-list", EventList);

/** @param {Date} day */
function endOfDay(day) {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1);
}

/** @param {...string} lines */
function buildEmpty(...lines) {
  return h("div", { class: "empty" }, lines.map((line) => h("p", null, line)));
}

/** @param {EventRecord} event */
function buildRow(event) {
  const row = h("a", { class: "event", href: link("events", event.id), "data-id": event.id });
  fillRow(row, event);
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {EventRecord} event
 */
function fillRow(row, event) {
  const started = new Date(event.started);
  const there = formatDeviceTime(started, store.status?.device.timezone);
  const lasted = event.ended ? event.duration_s === null ? "" : formatDuration(event.duration_s) : "now";
  const picture = row.querySelector("img.thumbnail") ?? (event.picture
    ? buildThumbnail(`/api/events/${encodeURIComponent(event.id)}.jpg`)
    : h("span", { class: "thumbnail" }, "no picture"));
  replace(row, picture,
    h("span", { class: "what" },
      h("span", { class: "title" }, h("span", { class: `swatch ${colorClass(event.label)}` }), h("span", null, event.label)),
      h("span", { class: event.ended ? "soft" : "open" }, lasted)),
    h("span", { class: "when" }, h("span", null, `${formatPercent(event.peak_score)} · ${formatTime(started)}`),
      there && h("span", { class: "soft small" }, `${there} there`)));
}

/**
 * Build a thumbnail; the picture of an event that has just begun may be written a moment later.
 * @param {string} address
 */
function buildThumbnail(address) {
  const image = h("img", { class: "thumbnail", loading: "lazy", decoding: "async", alt: "", src: address });
  let left = THUMBNAIL_TRIES;
  image.onerror = () => {
    left -= 1;
    if (left > 0) setTimeout(() => (image.src = `${address}?try=${left}`), THUMBNAIL_RETRY_MS);
    else image.replaceWith(h("span", { class: "thumbnail" }, "no picture"));
  };
  return image;
}
