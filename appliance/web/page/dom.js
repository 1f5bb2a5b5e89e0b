/** Create and change elements. Text always becomes a text node, never markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Create an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any> | null} [properties] `class`, `onEVENT` functions, properties, or attributes
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  setProperties(element, properties ?? {});
  append(element, ...children);
  return element;
}

/**
 * Set properties as in `h`.
 * @param {HTMLElement} element
 * @param {Record<string, any>} properties
 */
export function setProperties(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, String(value));
    else if (name in element && name !== "list") /** @type {any} */ (element)[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
}

/**
 * Append children; nothing for null, undefined, and false.
 * @param {Element | DocumentFragment} parent
 * @param {...(Child | Child[])} children
 */
export function append(parent, ...children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Replace the children of an element.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, ...children);
}

/** @type {WeakMap<Element, string>} */
const keys = new WeakMap();

/**
 * Build the children of an element anew, unless they were built for an equal key: focus and scrolling are kept.
 * @param {Element} element
 * @param {unknown} key any JSON value
 * @param {() => (Child | Child[])} build
 */
export function rebuild(element, key, build) {
  const text = JSON.stringify(key) ?? "";
  if (keys.get(element) === text) return;
  keys.set(element, text);
  replace(element, build());
}

/**
 * Set the text of an element, if it differs: screen readers announce only changes.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A custom element whose listeners end when it leaves the page. */
export class Component extends HTMLElement {
  #life = new AbortController();

  /** Aborted when the element leaves the page. */
  get signal() {
    return this.#life.signal;
  }

  connectedCallback() {
    this.#life = new AbortController();
    this.build();
  }

  disconnectedCallback() {
    this.#life.abort();
  }

  /** Create the content; called each time the element enters the page. */
  build() {}

  /**
   * Call a function for each event while the element is in the page.
   * @param {EventTarget} target
   * @param {string} type
   * @param {(event: any) => void} handler
   */
  listen(target, type, handler) {
    target.addEventListener(type, handler, { signal: this.signal });
  }

  /**
   * Call a function repeatedly while the element is in the page.
   * @param {number} interval_ms
   * @param {() => void} action
   */
  repeat(interval_ms, action) {
    const timer = setInterval(action, interval_ms);
    this.signal.addEventListener("abort", () => clearInterval(timer));
  }
}
