/** The newest picture of the camera: one request at a time, after each labeled frame, none while the page is hidden. */

import { requestPicture, startUpper } from "./api.js";
import { Component, h, rebuild, replace, setText } from "./dom.js";
import { formatDuration } from "./format.js";
import { icon } from "./icons.js";
import { isAbort } from "./messages.js";
import { store } from "./store.js";

const WIDTHS_PX = [320, 480, 640, 960, 1280];
const STALE_S = 3;
const WITHOUT_LABELS_MS = 1000;

/** Shows the picture, its age when it is old, and the reason when there is none. */
export class LivePicture extends Component {
  #url = "";
  #shown_ms = 0;
  #busy = false;
  #image = h("img", { alt: "", hidden: true });
  #message = h("div", { class: "message" });
  #age = h("span", { class: "age" });
  #full = h("button", { type: "button", class: "full", ariaLabel: "Full screen", onclick: () => this.toggleFull() }, icon("full"));

  build() {
    this.className = "live-picture";
    replace(this, this.#image, this.#message, this.#age, this.#full);
    this.#image.onclick = () => this.toggleFull();
    this.listen(store, "labels", () => this.#load());
    this.listen(store, "status", () => this.#draw());
    this.listen(store, "connection", () => this.#draw());
    this.listen(document, "keydown", (event) => event.key === "Escape" && this.classList.remove("whole"));
    this.signal.addEventListener("abort", () => this.#forget());
    this.repeat(WITHOUT_LABELS_MS, () => {
      if (performance.now() - this.#shown_ms > WITHOUT_LABELS_MS) this.#load();
      this.#draw();
    });
    this.#draw();
    this.#load();
  }

  /** Show the picture on the whole screen, or return to the page. */
  async toggleFull() {
    if (document.fullscreenElement) return document.exitFullscreen();
    if (this.requestFullscreen) return this.requestFullscreen().catch(() => {});
    this.classList.toggle("whole"); // iPhones have no full screen for pictures
    return undefined;
  }

  /** Return the blob's address of the picture that is shown; "" if none is. */
  get address() {
    return this.#url;
  }

  async #load() {
    const streams = store.connection === "live" && store.status?.running && store.status.camera.state === "streaming";
    if (this.#busy || document.hidden || !streams) return;
    this.#busy = true;
    try {
      const blob = await requestPicture(`/api/frame.jpg?width=${this.#chooseWidth()}`, this.signal);
      await this.#show(URL.createObjectURL(blob));
    } catch (error) {
      if (!isAbort(error)) await new Promise((resolve) => setTimeout(resolve, WITHOUT_LABELS_MS));
    } finally {
      this.#busy = false;
    }
  }

  /** @param {string} url */
  async #show(url) {
    const image = h("img", { alt: "What the camera sees now", src: url });
    try {
      await image.decode();
    } catch {
      URL.revokeObjectURL(url);
      return;
    }
    if (this.signal.aborted) return URL.revokeObjectURL(url);
    image.onclick = () => this.toggleFull();
    this.#image.replaceWith(image);
    this.#forget();
    this.#image = image;
    this.#url = url;
    this.#shown_ms = performance.now();
    this.#draw();
  }

  #forget() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = "";
  }

  /** @returns {number} the smallest offered width that fills the element */
  #chooseWidth() {
    const wanted = this.clientWidth * Math.min(devicePixelRatio, this.clientWidth > 500 ? 1 : 1.5);
    return WIDTHS_PX.find((width) => width >= wanted) ?? WIDTHS_PX[WIDTHS_PX.length - 1];
  }

  #draw() {
    const { status, connection } = store;
    const [width, height] = status?.camera.size ?? [4, 3];
    this.style.setProperty("--ratio", String(width / height));
    if (status && !status.running) {
      this.#forget();
      this.#image.hidden = true;
    }
    const streaming = status?.camera.state === "streaming";
    const age_s = this.#url ? (performance.now() - this.#shown_ms) / 1000 : 0;
    const stale = Boolean(this.#url) && (connection === "lost" || (Boolean(status) && !streaming) || age_s > STALE_S);
    this.classList.toggle("dimmed", stale);
    setText(this.#age, stale ? `${formatDuration(Math.max(1, age_s))} old` : "");
    this.#full.hidden = !this.#url;
    rebuild(this.#message, this.#describe(), () => this.#build(this.#describe()));
  }

  /** @returns {{title: string, text: string, off: boolean} | null} what to show in place of the picture */
  #describe() {
    const status = store.status;
    if (!status) return null;
    if (!status.running) return { title: "Camera is off", text: "", off: true };
    const { state, reason, description } = status.camera;
    if (state === "streaming") return null;
    const text = startUpper(reason ?? "") || (state === "ended" ? "The source has no more pictures" : description ?? "");
    return { title: state === "opening" ? "The camera starts…" : "No picture from the camera", text, off: false };
  }

  /** @param {{title: string, text: string, off: boolean} | null} message */
  #build(message) {
    if (!message) return null;
    const turnOn = () => this.dispatchEvent(new Event("turn-on", { bubbles: true }));
    return h("div", { role: "status" }, icon(message.off ? "off" : "warning"), h("strong", null, message.title),
      message.text && h("p", null, message.text),
      message.off && h("button", { type: "button", class: "primary", onclick: turnOn }, "Turn on"));
  }
}
customElements.define("live-picture", LivePicture);
