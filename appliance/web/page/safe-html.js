/** Show HTML that the device rendered from Markdown: only known elements, without scripts, styles, or pictures. */

import { h } from "./dom.js";

const ELEMENTS = new Set(["A", "B", "BLOCKQUOTE", "BR", "CODE", "DEL", "EM", "H1", "H2", "H3", "H4", "H5", "H6", "HR", "I", "LI",
  "OL", "P", "PRE", "STRONG", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL"]);
const DROPPED = new Set(["SCRIPT", "STYLE", "TEMPLATE", "IFRAME", "OBJECT", "SVG", "MATH", "HEAD", "TITLE"]);

/**
 * Build elements from HTML; unknown elements are replaced by their text, scripts are dropped.
 * @param {string} html
 * @param {(topic: string) => string} [linkTopic] returns the address of a topic of the manual
 */
export function renderHtml(html, linkTopic) {
  const parsed = new DOMParser().parseFromString(html, "text/html"); // runs and loads nothing
  return h("div", { class: "prose" }, copyChildren(parsed.body, linkTopic));
}

/**
 * @param {Node} from
 * @param {((topic: string) => string) | undefined} linkTopic
 * @returns {Node[]}
 */
function copyChildren(from, linkTopic) {
  /** @type {Node[]} */
  const copies = [];
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) copies.push(document.createTextNode(node.textContent ?? ""));
    if (!(node instanceof Element) || DROPPED.has(node.tagName.toUpperCase())) continue;
    if (!ELEMENTS.has(node.tagName)) copies.push(...copyChildren(node, linkTopic));
    else copies.push(copyElement(node, linkTopic));
  }
  return copies;
}

/**
 * @param {Element} node
 * @param {((topic: string) => string) | undefined} linkTopic
 */
function copyElement(node, linkTopic) {
  // Headings of the text are below the heading of the view.
  const tag = node.tagName.replace(/^H([1-5])$/, (_, level) => `H${Number(level) + 1}`).toLowerCase();
  const copy = document.createElement(tag);
  copy.append(...copyChildren(node, linkTopic));
  if (node.tagName === "A") setAddress(/** @type {HTMLAnchorElement} */ (copy), node.getAttribute("href") ?? "", linkTopic);
  if (node.tagName !== "TABLE") return copy;
  return h("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "Table" }, copy);
}

/**
 * Keep links to the web and to topics of the manual.
 * @param {HTMLAnchorElement} anchor
 * @param {string} address
 * @param {((topic: string) => string) | undefined} linkTopic
 */
function setAddress(anchor, address, linkTopic) {
  const topic = /^(?:\.?\/)?([a-z0-9-]+)(?:\.md)?(?:#.*)?$/.exec(address);
  if (/^https?:\/\//i.test(address)) {
    anchor.href = address;
    anchor.target = "_blank";
    anchor.rel = "noopener noreferrer";
  } else if (topic && linkTopic) {
    anchor.href = linkTopic(topic[1]);
  }
}
