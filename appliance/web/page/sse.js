/**
 * Read server-sent events from the body of an answer (html.spec.whatwg.org/multipage/server-sent-events.html). Unlike
 * EventSource, this shows the status of the answer and the comments that keep the connection alive.
 */

/**
 * Yield each message.
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} keepAlive called for each piece that arrives
 * @returns {AsyncGenerator<{event: string, data: string}>}
 */
export async function* readMessages(body, keepAlive) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      keepAlive();
      const blocks = (rest + value).replace(/\r\n/g, "\n").split("\n\n");
      rest = /** @type {string} */ (blocks.pop());
      for (const block of blocks) {
        const message = parseBlock(block);
        if (message) yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * @param {string} block the lines of one message
 * @returns {{event: string, data: string} | null} null if it has no data
 */
function parseBlock(block) {
  let event = "message";
  /** @type {string[]} */
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { event, data: data.join("\n") } : null;
}
