/** The pictures of a filter, loaded page by page, and kept in step with the viewer's changes. */

import { request } from "./api.js";
import { describeError, isAbort } from "./messages.js";

/** @typedef {import("./teaching.js").Picture} Picture */
/** @typedef {{kind: "all" | "unlabeled" | "none" | "label", label?: string}} Filter */

const PAGE = 100;

/** Emits `change` when the pictures or their state are different. */
export class PictureList extends EventTarget {
  /** @type {Picture[]} */
  items = [];
  /** @type {Filter} */
  filter = { kind: "all" };
  order = "uncertain";
  isLoading = false;
  problem = "";
  #next = /** @type {string | null} */ (null);
  #complete = false;
  #stop = new AbortController();

  /** Whether there are pictures that are not loaded. */
  get more() {
    return !this.#complete;
  }

  /**
   * Show the pictures of a filter from the first on.
   * @param {Filter} filter
   * @param {string} order
   */
  show(filter, order) {
    this.filter = filter;
    this.order = order;
    this.items = [];
    this.#next = null;
    this.#complete = false;
    this.#restart();
    this.load();
  }

  /**
   * Load the pictures again; they are replaced at once.
   * @param {number} [count] how many at least; as many as were loaded, if it is not given
   */
  async reload(count = this.items.length) {
    const signal = this.#restart();
    /** @type {Picture[]} */
    const items = [];
    let next = /** @type {string | null} */ (null);
    await this.#guard(signal, async () => {
      do {
        const answer = await this.#request(next, signal);
        items.push(...answer.pictures);
        next = answer.next;
      } while (next && items.length < count);
      this.items = items;
      this.#next = next;
      this.#complete = !next;
    });
  }

  /** Load the next page. */
  async load() {
    if (this.isLoading || this.#complete) return;
    const { signal } = this.#stop;
    await this.#guard(signal, async () => {
      const answer = await this.#request(this.#next, signal);
      const known = new Set(this.items.map((picture) => picture.id));
      this.items = [...this.items, ...answer.pictures.filter((/** @type {Picture} */ picture) => !known.has(picture.id))];
      this.#next = answer.next;
      this.#complete = !answer.next;
    });
  }

  /** Forget what is loading. */
  stop() {
    this.#stop.abort();
  }

  /**
   * Follow a change that the device made.
   * @param {import("./teaching.js").Change} change
   */
  apply({ ids, target }) {
    const changed = new Set(ids);
    this.items = this.items.flatMap((picture) => {
      if (!changed.has(picture.id)) return [picture];
      if (!target) return [];
      const moved = { ...picture, label: target.label, background: Boolean(target.background) };
      return this.#passes(moved) ? [moved] : [];
    });
    this.#emit();
  }

  /** @param {Picture} picture */
  #passes({ label, background }) {
    const { kind, label: wanted } = this.filter;
    if (kind === "label") return label === wanted;
    if (kind === "none") return background;
    return kind === "all" || (label === null && !background);
  }

  #restart() {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.isLoading = false;
    return this.#stop.signal;
  }

  /**
   * @param {string | null} cursor
   * @param {AbortSignal} signal
   */
  #request(cursor, signal) {
    const query = new URLSearchParams({ order: this.order, limit: String(PAGE) });
    if (this.filter.kind === "label") query.set("label", this.filter.label ?? "");
    else if (this.filter.kind === "none") query.set("background", "1");
    else if (this.filter.kind === "unlabeled") query.set("unlabeled", "1");
    if (cursor) query.set("cursor", cursor);
    return request("GET", `/api/dataset/pictures?${query}`, { signal, limit_ms: 60_000 });
  }

  /**
   * @param {AbortSignal} signal
   * @param {() => Promise<void>} action
   */
  async #guard(signal, action) {
    this.isLoading = true;
    this.problem = "";
    this.#emit();
    try {
      await action();
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.problem = describeError(error);
    } finally {
      if (!signal.aborted) {
        this.isLoading = false;
        this.#emit();
      }
    }
  }

  #emit() {
    this.dispatchEvent(new Event("change"));
  }
}
