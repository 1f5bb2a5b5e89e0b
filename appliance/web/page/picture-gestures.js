/** Clicks and drags over the grid of pictures: with a mouse a rectangle, with a finger after a long press. */

import { h } from "./dom.js";

/**
 * @typedef {{left: number, right: number, top: number, bottom: number}} Area in the window
 * @typedef {{findAt: (x: number, y: number) => number, findIn: (area: Area) => number[],
 *   choose: (index: number, extend: boolean) => void, startDrag: () => Set<string>,
 *   drag: (base: Set<string>, indices: number[]) => void}} Actions
 */

const DRAG_PX = 6;
const LONG_PRESS_MS = 350;
const EDGE_PX = 72;
const SCROLL_PX = 14;

/**
 * Follow the pointer over a box.
 * @param {HTMLElement} box
 * @param {AbortSignal} signal ends it
 * @param {Actions} actions
 */
export function followGestures(box, signal, actions) {
  /** @type {Gesture | null} */
  let gesture = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || gesture) return;
    gesture = new Gesture(box, event, actions, () => (gesture = null));
    signal.addEventListener("abort", () => gesture?.end(), { once: true });
  }, { signal });
  // Without this, the browser scrolls with the finger that draws a selection.
  box.addEventListener("touchmove", (event) => gesture?.isDrag && event.preventDefault(), { signal, passive: false });
  box.addEventListener("contextmenu", (event) => gesture?.isTouch && event.preventDefault(), { signal });
}

/** One press of the pointer, until it is released. */
class Gesture {
  isDrag = false;
  isTouch = false;
  #box;
  #actions;
  #done;
  #extend;
  #base = /** @type {Set<string>} */ (new Set());
  #start;
  #at;
  #life = new AbortController();
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #outline = h("div", { class: "outline", "aria-hidden": "true" });

  /**
   * @param {HTMLElement} box
   * @param {PointerEvent} event
   * @param {Actions} actions
   * @param {() => void} done
   */
  constructor(box, event, actions, done) {
    this.#box = box;
    this.#actions = actions;
    this.#done = done;
    this.#extend = event.shiftKey;
    this.isTouch = event.pointerType === "touch";
    this.#at = { x: event.clientX, y: event.clientY };
    this.#start = this.#toPage(this.#at);
    if (this.isTouch) this.#timer = setTimeout(() => this.#beginDrag(), LONG_PRESS_MS);
    const options = { signal: this.#life.signal };
    window.addEventListener("pointermove", (move) => move.pointerId === event.pointerId && this.#move(move), options);
    window.addEventListener("pointerup", (up) => up.pointerId === event.pointerId && this.#release(), options);
    window.addEventListener("pointercancel", (up) => up.pointerId === event.pointerId && this.end(), options);
    window.addEventListener("keydown", (key) => key.key === "Escape" && this.end(), options);
  }

  end() {
    clearTimeout(this.#timer);
    this.#life.abort();
    this.#outline.remove();
    this.#done();
  }

  /** @param {{x: number, y: number}} point in the window */
  #toPage({ x, y }) {
    return { x: x + scrollX, y: y + scrollY };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    this.#at = { x: event.clientX, y: event.clientY };
    const { x, y } = this.#toPage(this.#at);
    const far = Math.hypot(x - this.#start.x, y - this.#start.y) > DRAG_PX;
    if (this.isDrag) this.#select();
    else if (far && this.isTouch) this.end(); // the finger scrolls
    else if (far) this.#beginDrag();
  }

  #beginDrag() {
    this.isDrag = true;
    this.#base = this.#actions.startDrag();
    getSelection()?.removeAllRanges();
    if (!this.isTouch) document.body.append(this.#outline);
    this.#scroll();
    this.#select();
  }

  #select() {
    const [start, at] = [this.#start, this.#toPage(this.#at)];
    const area = {
      left: Math.min(start.x, at.x) - scrollX, right: Math.max(start.x, at.x) - scrollX,
      top: Math.min(start.y, at.y) - scrollY, bottom: Math.max(start.y, at.y) - scrollY,
    };
    for (const [side, value] of Object.entries({ x: area.left, y: area.top, w: area.right - area.left, h: area.bottom - area.top })) {
      this.#outline.style.setProperty(`--${side}`, `${value}px`);
    }
    this.#actions.drag(this.#base, this.#actions.findIn(area));
  }

  /** Scroll while the pointer is near the upper or lower edge of the window. */
  #scroll() {
    if (this.#life.signal.aborted) return;
    const { y } = this.#at;
    const step = y < EDGE_PX ? -SCROLL_PX : y > innerHeight - EDGE_PX ? SCROLL_PX : 0;
    if (step) {
      window.scrollBy(0, step);
      this.#select();
    }
    requestAnimationFrame(() => this.#scroll());
  }

  #release() {
    const wasDrag = this.isDrag;
    const { x, y } = this.#at;
    const extend = this.#extend;
    this.end();
    if (!wasDrag) this.#actions.choose(this.#actions.findAt(x, y), extend);
    this.#box.focus({ preventScroll: true });
  }
}
