// The controls that are always in sight, with their keys, and the state bar.

import { at, make, seconds, tell } from "./elements.js";

const SPEEDS = [["0.5", "½ ×"], ["1", "1 ×"], ["2", "2 ×"], ["max", "fastest"]];

/** `send(what, answered)` carries them out; `live()` goes back to now. */
export class Controls {
  #isPaused = false;
  #can = new Set();
  #bannerTimer = null;

  constructor(send, live) {
    this.send = send;
    at("speed").append(...SPEEDS.map(([value, words]) => make("option", words, "", { value })));
    at("abort").addEventListener("click", () => this.#do("abort"));
    at("pause").addEventListener("click", () => this.#do(this.#isPaused ? "resume" : "pause"));
    at("step").addEventListener("click", () => this.#do("step"));
    at("speed").addEventListener("change", ({ target }) =>
      this.#do("speed", { speed: target.value === "max" ? "max" : Number(target.value) }),
    );
    const keys = {
      Escape: () => this.#do("abort"),
      "Alt+KeyP": () => this.#do(this.#isPaused ? "resume" : "pause"),
      "Alt+KeyS": () => this.#do("step"),
      "Alt+KeyL": live,
    };
    document.addEventListener("keydown", (event) => {
      const act = keys[`${event.altKey ? "Alt+" : ""}${event.altKey ? event.code : event.key}`];
      if (!act || event.repeat || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      act();
    });
  }

  /** What this browser may do. */
  may(can) {
    this.#can = new Set(can);
    at("speeds").hidden = !this.#can.has("speed");
  }

  show(state, now, { isLive, isConnected, role, source }) {
    this.#isPaused = Boolean(now?.paused);
    const word = isConnected && source === "record" && !state.result ? "Record" : this.#word(state, isLive, isConnected);
    tell(at("state"), word);
    at("state").dataset.state = word.split(":")[0];
    const isOver = Boolean(state.result) || !isConnected;
    for (const name of ["abort", "pause", "speed"]) at(name).disabled = isOver || !this.#can.has(name);
    at("step").disabled = isOver || !this.#isPaused || !this.#can.has("step");
    const pause = at("pause");
    tell(pause.firstChild, this.#isPaused ? "Resume " : "Pause ");
    tell(at("now"), seconds(isLive ? Math.max(state.t, now?.t ?? 0) : state.t));
    const words = [];
    if (now?.node && !state.result) words.push(now.node);
    words.push(counted(now?.motions ?? state.motions, "motion"), counted(now?.questions ?? state.asked, "question"));
    if (now?.tick_ms !== undefined) words.push(`tick ${now.tick_ms.toFixed(1)} ms`);
    if (role === "watch") words.push("watching only");
    tell(at("summary"), words.join(" · "));
    if (now?.speed !== undefined && document.activeElement !== at("speed")) at("speed").value = String(now.speed);
  }

  /** Says something important across the page; `forMs` 0 keeps it. */
  banner(text, kind = "bad", forMs = 0) {
    clearTimeout(this.#bannerTimer);
    const banner = at("banner");
    banner.hidden = !text;
    banner.className = kind;
    tell(banner, text);
    if (text && forMs) this.#bannerTimer = setTimeout(() => this.banner(""), forMs);
  }

  #do(what, more = {}) {
    if (!this.#can.has(what === "resume" ? "pause" : what)) return;
    this.send({ do: what, ...more }, ({ ok, text }) => {
      if (!ok) this.banner(`Not done: ${what}: ${text}`, "bad", 6000);
    });
  }

  #word(state, isLive, isConnected) {
    if (state.result && isLive) return `Ended: ${state.result.outcome}`;
    if (!isConnected) return "Not connected";
    if (!isLive) return "Past";
    return this.#isPaused ? "Paused" : "Running";
  }
}

const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
