/** The grid of pictures. Only those in view are in the page, so thousands of pictures stay fast. */

import { Component, h, rebuild, replace } from "./dom.js";
import { buildCell } from "./picture-cell.js";
import { followGestures } from "./picture-gestures.js";
import { PictureList } from "./picture-list.js";

/** @typedef {import("./teaching.js").Picture} Picture */

const GAP_PX = 8;
const CAPTION_PX = 46;
const AHEAD_PX = 500;
const MAX_SELECTED = 2000;
// The grid starts the next page when fewer rows than this are left below the view.
const LOAD_AHEAD_PX = 1200;

/** Shows the pictures of a list; emits `select` when the selection is another. */
export class PictureGrid extends Component {
  list = new PictureList();
  /** @type {Set<string>} */
  selected = new Set();
  readOnly = false;
  #active = 0;
  #anchor = 0;
  /** @type {Map<string, HTMLElement>} */
  #cells = new Map();
  #columns = 3;
  #cell = { width: 100, height: 120 };
  #frame = 0;
  #box = h("div", {
    class: "pictures", role: "listbox", tabIndex: 0, "aria-multiselectable": "true", "aria-label": "Pictures",
  });

  build() {
    replace(this, this.#box);
    this.listen(this.list, "change", () => this.#follow());
    this.listen(window, "scroll", () => this.#plan());
    this.listen(this.#box, "keydown", (event) => this.#followKey(event));
    this.listen(this.#box, "focus", () => this.#showActive());
    const observer = new ResizeObserver(() => this.#plan());
    observer.observe(this);
    observer.observe(document.body); // what is above moves the grid without a scroll
    this.signal.addEventListener("abort", () => {
      observer.disconnect();
      this.list.stop();
    });
    followGestures(this.#box, this.signal, {
      findAt: (x, y) => this.#findAt(x, y),
      findIn: (area) => this.#findIn(area),
      choose: (index, extend) => this.#choose(index, extend),
      startDrag: () => new Set(this.selected),
      drag: (base, indices) => this.#setSelection([...base, ...this.#idsOf(indices)]),
    });
    this.#plan();
  }

  /** The picture that the keys act on, if none is selected. */
  get active() {
    return document.activeElement === this.#box ? this.list.items[this.#active] : undefined;
  }

  /** @returns {string[]} the ids of the selected pictures, in the order of the grid */
  get selectedIds() {
    return this.list.items.filter((picture) => this.selected.has(picture.id)).map((picture) => picture.id);
  }

  focus() {
    this.#box.focus({ preventScroll: true });
  }

  clear() {
    this.#setSelection([]);
  }

  /** Select what is loaded, as far as one request can change it. */
  selectAll() {
    this.#setSelection(this.list.items.slice(0, MAX_SELECTED).map((picture) => picture.id));
  }

  /** Go to the next picture, after the active one got a label and is still in the grid. */
  advance() {
    this.#setActive(this.#active + 1);
  }

  #follow() {
    const known = new Set(this.list.items.map((picture) => picture.id));
    const left = [...this.selected].filter((id) => known.has(id));
    if (left.length < this.selected.size) this.#setSelection(left);
    this.#active = Math.max(0, Math.min(this.#active, this.list.items.length - 1));
    this.#plan();
  }

  /** Draw before the next frame. */
  #plan() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.signal.aborted) this.#draw();
    });
  }

  #measure() {
    const width = this.#box.clientWidth;
    const least = width < 500 ? 96 : 132;
    this.#columns = Math.max(2, Math.floor((width + GAP_PX) / (least + GAP_PX)));
    const cell = (width - GAP_PX * (this.#columns - 1)) / this.#columns;
    this.#cell = { width: cell, height: Math.round(cell * 0.75) + CAPTION_PX };
  }

  #draw() {
    if (!this.offsetParent) return;
    this.#measure();
    const { items } = this.list;
    const row = this.#cell.height + GAP_PX;
    const rows = Math.ceil(items.length / this.#columns);
    this.#box.style.setProperty("--height", `${Math.max(0, rows * row - GAP_PX)}px`);
    const top = -this.#box.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((top - AHEAD_PX) / row)) * this.#columns;
    const last = Math.min(items.length, Math.ceil((top + innerHeight + AHEAD_PX) / row) * this.#columns);
    this.#place(first, last);
    if (this.list.more && rows * row - top - innerHeight < LOAD_AHEAD_PX && !this.list.problem) this.list.load();
  }

  /**
   * Keep the cells of a range in the page, in their order.
   * @param {number} first
   * @param {number} last
   */
  #place(first, last) {
    const wanted = new Map();
    for (let index = first; index < last; index += 1) wanted.set(this.list.items[index].id, index);
    const active = this.list.items[this.#active];
    if (active) wanted.set(active.id, this.#active);
    for (const [id, cell] of this.#cells) {
      if (wanted.has(id)) continue;
      cell.remove();
      this.#cells.delete(id);
    }
    for (const [id, index] of wanted) {
      let cell = this.#cells.get(id);
      if (!cell) {
        cell = h("div", { class: "picture-cell", role: "option", id: `picture-${id}`, "data-id": id });
        this.#cells.set(id, cell);
        this.#box.append(cell);
      }
      this.#fill(cell, this.list.items[index], index);
    }
    if (active) this.#box.setAttribute("aria-activedescendant", `picture-${active.id}`);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  /**
   * @param {HTMLElement} cell
   * @param {Picture} picture
   * @param {number} index
   */
  #fill(cell, picture, index) {
    const x = (index % this.#columns) * (this.#cell.width + GAP_PX);
    const y = Math.floor(index / this.#columns) * (this.#cell.height + GAP_PX);
    cell.style.setProperty("--x", `${x}px`);
    cell.style.setProperty("--y", `${y}px`);
    cell.style.setProperty("--w", `${this.#cell.width}px`);
    cell.style.setProperty("--h", `${this.#cell.height}px`);
    cell.setAttribute("aria-selected", String(this.selected.has(picture.id)));
    cell.setAttribute("aria-posinset", String(index + 1));
    cell.setAttribute("aria-setsize", String(this.list.more ? -1 : this.list.items.length));
    cell.classList.toggle("active", index === this.#active);
    const size = this.#cell.width * devicePixelRatio > 170 ? 320 : 160;
    rebuild(cell, [picture.label, picture.background, picture.guess, size], () => buildCell(picture, size));
  }

  /**
   * @param {number} x in the window
   * @param {number} y in the window
   * @returns {number} the picture at a point; -1 if there is none
   */
  #findAt(x, y) {
    const found = this.#findIn({ left: x, right: x, top: y, bottom: y });
    return found.length ? found[0] : -1;
  }

  /**
   * @param {{left: number, right: number, top: number, bottom: number}} area in the window
   * @returns {number[]} the pictures that an area touches
   */
  #findIn(area) {
    const box = this.#box.getBoundingClientRect();
    const [width, height] = [this.#cell.width + GAP_PX, this.#cell.height + GAP_PX];
    const columns = [area.left, area.right].map((x) => Math.max(0, Math.min(this.#columns - 1, Math.floor((x - box.left) / width))));
    const rows = [area.top, area.bottom].map((y) => Math.max(0, Math.floor((y - box.top) / height)));
    if (area.bottom < box.top) return [];
    const found = [];
    for (let row = rows[0]; row <= rows[1]; row += 1) {
      for (let column = columns[0]; column <= columns[1]; column += 1) found.push(row * this.#columns + column);
    }
    return found.filter((index) => index < this.list.items.length);
  }

  /**
   * Select or deselect a picture, or select from the last one to it.
   * @param {number} index
   * @param {boolean} extend
   */
  #choose(index, extend) {
    if (index < 0 || this.readOnly) return;
    const ids = new Set(this.selected);
    const { id } = this.list.items[index];
    if (extend) {
      for (const between of this.#idsOf(range(this.#anchor, index))) ids.add(between);
    } else {
      if (!ids.delete(id)) ids.add(id);
      this.#anchor = index;
    }
    this.#active = index;
    this.#setSelection(ids);
  }

  /** @param {number[]} indices */
  #idsOf(indices) {
    return indices.filter((index) => this.list.items[index]).map((index) => this.list.items[index].id);
  }

  /** @param {Iterable<string>} ids */
  #setSelection(ids) {
    this.selected = new Set(this.readOnly ? [] : ids);
    this.#plan();
    this.dispatchEvent(new Event("select"));
  }

  /** @param {KeyboardEvent} event */
  #followKey(event) {
    if (event.altKey) return;
    const command = event.ctrlKey || event.metaKey;
    const { length } = this.list.items;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#columns, ArrowDown: this.#columns, Home: -length, End: length,
    };
    if (event.key in steps && !command) this.#step(steps[event.key], event.shiftKey);
    else if ((event.key === " " || event.key === "Enter") && !command) this.#choose(this.#active, event.shiftKey);
    else if (event.key === "a" && command) this.selectAll();
    else return;
    event.preventDefault();
  }

  /**
   * @param {number} step
   * @param {boolean} extend
   */
  #step(step, extend) {
    if (extend && !this.selected.size) this.#anchor = this.#active;
    const to = this.#active + step;
    const { length } = this.list.items;
    if (Math.abs(step) === this.#columns && (to < 0 || to >= length)) return;
    this.#setActive(to);
    if (extend) this.#setSelection([...this.selected, ...this.#idsOf(range(this.#anchor, this.#active))]);
  }

  /** @param {number} index */
  #setActive(index) {
    this.#active = Math.max(0, Math.min(index, this.list.items.length - 1));
    this.#draw();
    this.#showActive();
  }

  #showActive() {
    const active = this.list.items[this.#active];
    if (active) this.#cells.get(active.id)?.scrollIntoView({ block: "nearest" });
  }
}
customElements.define("picture-grid", PictureGrid);

/**
 * @param {number} from
 * @param {number} to
 */
function range(from, to) {
  const first = Math.min(from, to);
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, step) => first + step);
}
