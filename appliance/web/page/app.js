/** Start the page: sign in if needed, then show the place that the address names. */

import { ApiError, request, session, startUpper } from "./api.js";
import { assignColors } from "./colors.js";
import { h, rebuild, replace } from "./dom.js";
import { formatDuration } from "./format.js";
import { icon } from "./icons.js";
import { describeError, showToast } from "./messages.js";
import { parseCode, parseRoute, link, PLACES } from "./router.js";
import { SignIn } from "./sign-in.js";
import { store } from "./store.js";

const TITLES = { now: "Now", events: "Events", teach: "Teach", device: "Device" };
/** The module of each place is loaded when it is first shown. */
const VIEWS = {
  now: async () => (await import("./now-view.js")).NowView,
  events: async () => (await import("./events-view.js")).EventsView,
  teach: async () => {
    const { TeachView, styles } = await import("./teach-view.js");
    await styles;
    return TeachView;
  },
  device: async () => (await import("./device-view.js")).DeviceView,
};

/** @typedef {HTMLElement & {follow?: (parts: string[]) => void}} View */
/** @type {View | null} */
let view = null;
let place = "";
let deviceName = "";
let signedIn = false;

/** @param {string} id */
function find(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** Use the code of a sign-in link, and remove it from the address. */
async function useCode() {
  const code = parseCode(location.hash);
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  try {
    await request("POST", "/api/session", { json: { code } });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showToast(error.message);
  }
}

/** Show the page if the session is valid, else the sign-in. */
async function start() {
  await useCode();
  try {
    const found = await request("GET", "/api/session");
    deviceName = nameOf(found?.device) || deviceName;
    store.scope = found?.scope ?? "admin";
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return void showSignIn();
    showUnreachable(describeError(error));
    return void setTimeout(start, 2000);
  }
  signedIn = true;
  drawNavigation();
  store.start();
  await showPlace();
}

/** @param {any} device a name, or an object with a name */
function nameOf(device) {
  return typeof device === "string" ? device : String(device?.name ?? device?.id ?? "");
}

/** @param {string} reason */
function showUnreachable(reason) {
  rebuild(find("banner"), reason, () => h("div", { class: "banner" }, `${reason}. Trying again…`));
}

async function showSignIn() {
  signedIn = false;
  store.end();
  view = null;
  place = "";
  find("nav").hidden = true;
  rebuild(find("banner"), "", () => null);
  try {
    deviceName = nameOf((await request("GET", "/api/name"))?.name) || deviceName;
  } catch { /* the name is not needed to sign in */ }
  document.title = `Sign in – ${deviceName || "Camera"}`;
  drawHeader();
  if (!signedIn) replace(find("main"), new SignIn(deviceName, start));
}

function drawNavigation() {
  const nav = find("nav");
  nav.hidden = false;
  replace(nav, PLACES.map((name) => h("a", { href: link(name), "data-place": name }, icon(name), TITLES[name])));
}

/** Show the place that the address names; keep the view if only its parts differ. */
async function showPlace() {
  const route = parseRoute(location.hash);
  if (route.place !== place) {
    const isFirst = !place;
    place = route.place;
    view = null; // an address that changes meanwhile is for the new view
    const View = await loadView(route.place);
    if (!View || place !== route.place || !signedIn) return;
    view = /** @type {View} */ (new View());
    replace(find("main"), view);
    window.scrollTo(0, 0);
    if (!isFirst) view.querySelector("h1")?.focus({ preventScroll: true }); // a screen reader continues in the new place
    for (const anchor of find("nav").children) {
      if (anchor.getAttribute("data-place") === place) anchor.setAttribute("aria-current", "page");
      else anchor.removeAttribute("aria-current");
    }
  }
  view?.follow?.(parseRoute(location.hash).parts);
  setTitle();
}

/** @param {string} name of a place */
async function loadView(name) {
  try {
    return await VIEWS[/** @type {keyof typeof VIEWS} */ (name)]();
  } catch {
    const reload = h("button", { type: "button", onclick: () => location.reload() }, "Load the page again");
    showToast(`${TITLES[/** @type {keyof typeof TITLES} */ (name)]} could not be loaded from the device`, reload);
    return null;
  }
}

/** Put the place and the device into the title of the window. */
function setTitle() {
  document.title = `${TITLES[/** @type {keyof typeof TITLES} */ (place)] ?? "Sign in"} – ${deviceName || "Camera"}`;
}

/** @returns {{kind: string, text: string}} the state of the device in two words */
function describeState() {
  const { status, connection } = store;
  if (!signedIn) return { kind: "", text: "" };
  if (connection === "lost") return { kind: "danger", text: "no connection" };
  if (!status) return { kind: "", text: "connecting…" };
  if (!status.running) return { kind: "", text: "off" };
  if (status.camera.state !== "streaming" || !store.known) return { kind: "warning", text: "no frames" };
  const rate = store.rate ?? status.camera.fps;
  return { kind: "live", text: rate ? `live ${rate < 10 ? Number(rate.toFixed(1)) : Math.round(rate)}/s` : "live" };
}

function drawHeader() {
  const state = describeState();
  const problems = signedIn && store.connection !== "lost" ? store.status?.problems.length ?? 0 : 0;
  rebuild(find("header"), [deviceName, state, problems], () => [
    h("span", { class: "device" }, deviceName || "Camera"),
    problems > 0 && h("a", { class: "problems", href: link("now"), onclick: showProblems, "aria-label": `Problems: ${problems}` }, icon("warning"), problems),
    state.text && h("span", { class: "state" }, h("span", { class: `dot ${state.kind}` }), state.text),
  ]);
}

/** Scroll to the notes about problems, which a phone shows below the picture. */
function showProblems() {
  setTimeout(() => document.querySelector(".attention, .live-picture .message")?.scrollIntoView({ block: "center" }), place === "now" ? 0 : 300);
}

/** Show the banner while the connection is lost. */
function drawBanner() {
  const lost = signedIn && store.connection === "lost";
  document.body.classList.toggle("lost", lost);
  const since_s = lost && store.lostAt_ms ? Math.round((Date.now() - store.lostAt_ms) / 10_000) * 10 : 0;
  const fact = store.problem || "No connection to the device";
  rebuild(find("banner"), lost && [fact, since_s], () => lost && h("div", { class: "banner" },
    h("span", { class: "grow" }, `${fact}. Trying again; what you see is `,
      since_s ? `${formatDuration(since_s)} old.` : "not current."),
    h("button", { type: "button", onclick: () => store.retry() }, "Try now")));
}

store.addEventListener("status", () => {
  const status = /** @type {import("./types.js").Status} */ (store.status);
  assignColors(status.model.labels ?? []);
  deviceName = status.device.name || status.device.id;
  drawHeader();
  setTitle();
});
store.addEventListener("rate", drawHeader);
store.addEventListener("connection", () => {
  drawHeader();
  drawBanner();
});
setInterval(drawBanner, 10_000);
session.addEventListener("signed-out", () => {
  if (!signedIn) return;
  showToast(startUpper("signed out"));
  showSignIn();
});
window.addEventListener("hashchange", () => {
  if (parseCode(location.hash)) start();
  else if (signedIn) showPlace();
});

start();
