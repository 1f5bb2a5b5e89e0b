/** Requests to the device. */

/** An answer that reports an error, or no answer (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message one sentence
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const NO_ANSWER = "The device does not answer; check that it is on and in your network";
const ANSWER_LIMIT_MS = 20_000;

/** Receives `signed-out` when the device no longer accepts the session. */
export const session = new EventTarget();

/**
 * Send a request and return the JSON value of the answer, or null if it has none.
 * @param {string} method
 * @param {string} path
 * @param {{json?: unknown, body?: Blob, signal?: AbortSignal, limit_ms?: number}} [options]
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function request(method, path, options = {}) {
  const response = await send(method, path, options);
  if (response.status === 204) return null;
  const type = response.headers.get("Content-Type") ?? "";
  return type.includes("json") ? response.json() : null;
}

/**
 * Request a picture.
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<Blob>}
 * @throws {ApiError}
 */
export async function requestPicture(path, signal) {
  return (await send("GET", path, { signal })).blob();
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{json?: unknown, body?: Blob, signal?: AbortSignal, limit_ms?: number}} options
 * @returns {Promise<Response>}
 */
async function send(method, path, { json, body, signal, limit_ms = ANSWER_LIMIT_MS }) {
  const headers = json === undefined ? undefined : { "Content-Type": "application/json" };
  const limit = AbortSignal.timeout(limit_ms);
  const either = joinSignals(signal ? [signal, limit] : [limit]);
  let response;
  try {
    response = await fetch(path, {
      method, headers, body: json === undefined ? body : JSON.stringify(json), signal: either, cache: "no-store",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, NO_ANSWER);
  }
  if (!response.ok) throw await readError(response);
  return response;
}

/**
 * @param {AbortSignal[]} signals
 * @returns {AbortSignal} aborted with the first of them
 */
function joinSignals(signals) {
  const joined = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) joined.abort();
    signal.addEventListener("abort", () => joined.abort(), { once: true });
  }
  return joined.signal;
}

/**
 * Return the error that an answer reports.
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
export async function readError(response) {
  let text = "";
  try {
    text = String((await response.json()).error ?? "");
  } catch { /* not from the device's API, for example from a proxy */ }
  if (response.status === 401) session.dispatchEvent(new Event("signed-out"));
  return new ApiError(response.status, startUpper(text) || `The device answered with status ${response.status}`);
}

/**
 * Upload a file, with progress; the answer is a JSON value or null.
 * @param {string} path
 * @param {Blob} file
 * @param {(part: number) => void} showProgress receives 0–1
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export function upload(path, file, showProgress, signal) {
  return new Promise((resolve, reject) => {
    const transfer = new XMLHttpRequest();
    transfer.open("POST", path);
    transfer.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    transfer.upload.onprogress = (event) => showProgress(event.lengthComputable ? event.loaded / event.total : 0);
    transfer.onerror = () => reject(new ApiError(0, NO_ANSWER));
    transfer.onabort = () => reject(new ApiError(0, "The upload was cancelled"));
    transfer.onload = () => {
      if (transfer.status >= 200 && transfer.status < 300) return resolve(parseJson(transfer.responseText));
      if (transfer.status === 401) session.dispatchEvent(new Event("signed-out"));
      const text = String(parseJson(transfer.responseText)?.error ?? "");
      const fallback = `The device answered with status ${transfer.status}`;
      return reject(new ApiError(transfer.status, startUpper(text) || fallback));
    };
    signal?.addEventListener("abort", () => transfer.abort());
    transfer.send(file);
  });
}

/**
 * @param {string} text
 * @returns {any} null if the text is not JSON
 */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Return a sentence with an upper-case first letter; messages of the device begin in lower case. One that begins with a
 * name, such as dict.txt or mqtt.host, is left as it is.
 * @param {string} text
 */
export function startUpper(text) {
  return /^\S*[._/:=]\S/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}
