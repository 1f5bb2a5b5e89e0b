/** The icons, drawn with lines on a grid of 24. */

const PATHS = {
  now: "M4 8a2 2 0 0 1 2-2h2l2-2h4l2 2h2a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2zM15.5 12.5a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0z",
  events: "M4 6h16M4 12h16M4 18h10",
  teach: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  device: "M7 4h10v16H7zM4 8h3M4 12h3M4 16h3M17 8h3M17 12h3M17 16h3",
  pause: "M8 5v14M16 5v14",
  play: "M7 4l13 8-13 8z",
  picture: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0zM15 12a3 3 0 1 1-6 0 3 3 0 0 1 6 0z",
  warning: "M12 4l9 16H3zM12 10v4M12 17v.5",
  off: "M4 4l16 16M4 8v9a2 2 0 0 0 2 2h11M9 5h5l2 2h2a2 2 0 0 1 2 2v7",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  ok: "M5 13l4 4L19 7",
};

/**
 * Draw an icon; it is decoration, so screen readers skip it.
 * @param {keyof typeof PATHS} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
