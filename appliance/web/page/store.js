/** The state of the device, kept current by one stream of server-sent events. */

import { ApiError, readError, request, session } from "./api.js";
import { readMessages } from "./sse.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").LabelsMessage} LabelsMessage */
/** @typedef {"connecting" | "live" | "lost" | "paused"} Connection */

// The device sends at least a comment every 10 s; when nothing comes for longer, the network is gone without notice.
const SILENCE_LIMIT_MS = 25_000;
const RATE_MS = 3000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

/** Emits `connection`, `status`, `rate`, and each message of the stream under its name; the message is the event's `detail`. */
class Store extends EventTarget {
  /** @type {Connection} */
  connection = "connecting";
  /** @type {Status | null} */
  status = null;
  /** @type {LabelsMessage | null} */
  labels = null;
  /** What this sign-in may do: "read" or "admin". */
  scope = "admin";
  /** Frames per second that the device labels; null until it is measured. */
  rate = /** @type {number | null} */ (null);
  #measured = { frame: 0, at_ms: 0 };
  /** When the last status came, as performance.now(). */
  statusAt_ms = 0;
  /** Why the device refuses the stream; "" if it does not answer. */
  problem = "";
  /** When the connection was lost, as Date.now(). */
  lostAt_ms = 0;
  #wanted = false;
  #failures = 0;
  #stop = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Connect, and stay connected while the page is visible. */
  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#failures = 0;
    if (document.hidden) this.#setConnection("paused");
    else this.#connect();
  }

  /** Disconnect and forget the state. */
  end() {
    this.#wanted = false;
    this.#disconnect();
    this.status = this.labels = this.rate = null;
    this.connection = "connecting";
  }

  /** Follow whether the page is visible: a hidden page needs no connection. */
  followVisibility() {
    if (!this.#wanted) return;
    if (document.hidden) {
      this.#disconnect();
      this.#setConnection("paused");
    } else if (this.connection === "paused") {
      this.retry();
    }
  }

  /** Connect at once. */
  retry() {
    if (!this.#wanted) return;
    this.#failures = 0;
    this.#disconnect();
    this.#connect();
  }

  #disconnect() {
    clearTimeout(this.#timer);
    this.#stop.abort();
  }

  async #connect() {
    const stop = (this.#stop = new AbortController());
    let watchdog = setTimeout(() => stop.abort(), SILENCE_LIMIT_MS);
    const keepAlive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => stop.abort(), SILENCE_LIMIT_MS);
    };
    try {
      const response = await fetch("/api/labels", { signal: stop.signal, headers: { Accept: "text/event-stream" } });
      if (!response.ok || !response.body) throw await readError(response);
      for await (const message of readMessages(response.body, keepAlive)) {
        if (stop !== this.#stop) return;
        this.#receive(message.event, JSON.parse(message.data));
      }
    } catch (error) {
      this.problem = error instanceof ApiError && error.status ? error.message : "";
    } finally {
      clearTimeout(watchdog);
    }
    if (stop === this.#stop && this.#wanted && this.connection !== "paused") this.#retryLater();
  }

  #retryLater() {
    this.#setConnection("lost");
    const delay_ms = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(), delay_ms);
  }

  /**
   * @param {string} type
   * @param {any} detail
   */
  #receive(type, detail) {
    this.#failures = 0;
    this.problem = "";
    if (type === "status") this.#setStatus(detail);
    else if (type === "labels") this.#setLabels(detail);
    this.#setConnection("live");
    if (type !== "status") this.#emit(type, detail);
  }

  /** @param {Status} status */
  #setStatus(status) {
    this.status = status;
    this.statusAt_ms = performance.now();
    this.#emit("status", status);
  }

  /** @param {LabelsMessage} labels */
  #setLabels(labels) {
    this.labels = labels;
    const at_ms = Date.parse(labels.time);
    const past_ms = at_ms - this.#measured.at_ms;
    if (past_ms < RATE_MS && past_ms >= 0) return;
    const frames = labels.frame - this.#measured.frame;
    if (past_ms > 0 && past_ms < 4 * RATE_MS && frames > 0) {
      this.rate = (frames * 1000) / past_ms;
      this.#emit("rate", this.rate);
    }
    this.#measured = { frame: labels.frame, at_ms };
  }

  /** Whether the device knows what is in front of it. */
  get known() {
    return Boolean(this.status?.running && this.status.known && (this.labels?.known ?? true));
  }

  /** Ask for the status, after a change that the viewer made; one that the stream brought meanwhile is newer. */
  async refresh() {
    const { status } = this;
    try {
      const answer = await request("GET", "/api/status");
      if (this.status === status) this.#setStatus(answer);
    } catch { /* the stream brings it later */ }
  }

  /** @param {Connection} connection */
  #setConnection(connection) {
    if (this.connection === connection) return;
    if (connection === "lost" && this.connection === "live") this.lostAt_ms = Date.now();
    this.connection = connection;
    this.#emit("connection", connection);
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

export const store = new Store();

document.addEventListener("visibilitychange", () => store.followVisibility());
window.addEventListener("online", () => store.retry());
session.addEventListener("signed-out", () => store.end());
