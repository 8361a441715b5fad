// The wire: one WebSocket that comes back by itself, the pictures' addresses, and what people ask for.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
const BASE = new URL("./", location.href);
const read = new TextDecoder();

/** Where the picture of a frame is kept, in colour or as depth. */
export const pictureOf = (frame, isDepth = false) =>
  new URL(`picture/${encodeURIComponent(frame)}${isDepth ? "/depth" : ""}`, BASE).href;

/**
 * Hears the mission and tells it what people want.
 *
 * `hears.message(object)`, `hears.picture(header, blob)`, `hears.state("open" | "lost" | "refused")`.
 */
export class Connection {
  #socket = null;
  #waitMs = FIRST_WAIT_MS;
  #number = 0;
  #waiting = new Map();
  #hears;

  constructor(hears) {
    this.#hears = hears;
    this.#connect();
  }

  /** Sends what a person wants; `answered({ok, text})` is told what became of it. */
  send(what, answered = () => {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      answered({ ok: false, text: "there is no connection" });
      return;
    }
    this.#number += 1;
    this.#waiting.set(this.#number, answered);
    this.#socket.send(JSON.stringify({ ...what, id: this.#number }));
  }

  #connect() {
    const address = new URL("live", BASE);
    address.protocol = BASE.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("open", () => (this.#waitMs = FIRST_WAIT_MS));
    socket.addEventListener("message", (message) => {
      if (typeof message.data === "string") this.#text(JSON.parse(message.data));
      else this.#picture(message.data);
    });
    socket.addEventListener("close", (closed) => {
      for (const answered of this.#waiting.values()) answered({ ok: false, text: "the connection was lost" });
      this.#waiting.clear();
      this.#hears.state(closed.code === 1008 ? "refused" : "lost");
      setTimeout(() => this.#connect(), this.#waitMs);
      this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2);
    });
  }

  #text(message) {
    if (message.type === "hello") this.#hears.state("open");
    if (message.type === "done") {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    } else this.#hears.message(message);
  }

  #picture(data) {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(read.decode(new Uint8Array(data, 4, length)));
    this.#hears.picture(header, new Blob([new Uint8Array(data, 4 + length)], { type: header.mime }));
  }
}
