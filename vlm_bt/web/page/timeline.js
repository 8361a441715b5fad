// The timeline: lanes of what happened, a slider to look back with, and the same as a list.

import { at, make, seconds, svg, tell } from "./elements.js";

const LANES = ["ticks", "queries", "motions", "questions"];
const WIDTH = 1000;
const LANE = 18;
const EVERY_MS = 250;
const MOST_LISTED = 400;
const MOST_MARKS = 20000;

/** `seek(t)` shows a moment; `seek(null)` goes back to now. */
export class TimelineView {
  #marks = { ticks: [], queries: [], motions: [], questions: [] };
  #asked = new Map();
  #until = 0;
  #from = 0;
  #knownUntil = 0;
  #drawnAt = 0;
  #isHeld = false;
  #hasNew = true;
  #lines = [];
  #lastT = -1;
  #later = null;
  #wanted = [];
  #sendLater = null;

  constructor(seek) {
    this.seek = seek;
    const scrub = at("scrub");
    scrub.addEventListener("input", () => {
      this.#isHeld = true;
      this.#send(Number(scrub.value));
    });
    scrub.addEventListener("change", () => (this.#isHeld = false));
    at("live").addEventListener("click", () => seek(null));
  }

  /** How far the slider reaches. */
  span(from, until) {
    this.#from = from ?? this.#from;
    this.#until = Math.max(until ?? 0, this.#from);
    this.#hasNew = true;
  }

  /** A snapshot: where it is of a moment that is past, what is known of later ones is kept. */
  restart(entries, isLive) {
    const until = entries.reduce((latest, one) => Math.max(latest, one.t ?? 0), 0);
    if (!isLive && until < this.#knownUntil) return;
    for (const lane of LANES) this.#marks[lane] = [];
    this.#asked.clear();
    this.#lines = [];
    this.#knownUntil = 0;
    at("events").replaceChildren();
    this.take(entries);
  }

  /** Forgets everything: another mission. */
  clear() {
    this.#knownUntil = 0;
    this.#until = 0;
    this.restart([], true);
  }

  take(entries) {
    for (const entry of entries) {
      if ((entry.t ?? 0) < this.#knownUntil) continue;
      this.#knownUntil = entry.t ?? this.#knownUntil;
      this.#mark(entry);
      const line = lineOf(entry);
      if (line) this.#lines.push({ t: entry.t, line, isBad: isBad(entry) });
    }
    this.#until = Math.max(this.#until, this.#knownUntil);
    this.#hasNew = true;
  }

  #mark(entry) {
    const { t } = entry;
    const put = (lane, from, until, name) => {
      const marks = this.#marks[lane];
      marks.push({ from, until, name });
      if (marks.length > MOST_MARKS) marks.splice(0, MOST_MARKS / 4);
    };
    if (entry.channel === "status") {
      const last = this.#marks.ticks.at(-1);
      if (!last || last.from !== t) put("ticks", t, t, entry.status === "FAILURE" ? "bad" : "tick");
    } else if (entry.channel === "query") put("queries", t, t, "tick");
    else if (entry.channel === "motion") put("motions", entry.began_s ?? t, t, entry.outcome === "done" ? "good" : "bad");
    else if (entry.channel === "question") this.#asked.set(String(entry.id), t);
    else if (entry.channel === "reply") {
      put("questions", this.#asked.get(String(entry.id)) ?? t, t, entry.silent ? "bad" : "good");
      this.#asked.delete(String(entry.id));
    }
  }

  /** `t`: the moment that is shown. */
  show(t, isLive) {
    const scrub = at("scrub");
    scrub.min = this.#from;
    scrub.max = Math.max(this.#until, t);
    if (!this.#isHeld) scrub.value = t;
    scrub.setAttribute("aria-valuetext", seconds(Number(scrub.value)));
    at("live").setAttribute("aria-pressed", String(isLive));
    document.body.classList.toggle("past", !isLive);
    tell(at("shown"), isLive ? "shows what happens now" : `shows ${seconds(t)}`);
    this.#wanted = [t, isLive];
    const now = performance.now();
    if (!this.#hasNew && this.#lastT === t) return;
    if (now - this.#drawnAt < EVERY_MS) {
      this.#later ??= setTimeout(() => {
        this.#later = null;
        this.show(...this.#wanted);
      }, EVERY_MS);
      return;
    }
    this.#drawnAt = now;
    this.#hasNew = false;
    this.#lastT = t;
    this.#draw(t);
    this.#list();
  }

  /** At most one moment asked for every tenth of a second, and the last one always. */
  #send(t) {
    if (this.#sendLater) clearTimeout(this.#sendLater);
    this.#sendLater = setTimeout(() => this.seek(t), 120);
  }

  #draw(t) {
    const span = Math.max(1e-6, Math.max(this.#until, t) - this.#from);
    const across = (moment) => ((moment - this.#from) / span) * WIDTH;
    const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${LANES.length * LANE}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    LANES.forEach((lane, index) => {
      const y = index * LANE + 3;
      const paths = new Map();
      const add = (from, until, name) => {
        const x = across(from).toFixed(1);
        const width = Math.max(1.5, across(until) - across(from)).toFixed(1);
        const bar = `M${x} ${y}h${width}v${LANE - 6}h-${width}z`;
        paths.set(name, (paths.get(name) ?? new Set()).add(bar));
      };
      for (const mark of this.#marks[lane]) add(mark.from, mark.until, mark.name);
      if (lane === "questions") for (const from of this.#asked.values()) add(from, this.#until, "open");
      for (const [name, bars] of paths) drawing.append(svg("path", { d: [...bars].join(""), class: name }));
    });
    drawing.append(svg("path", { d: `M${across(t)} 0v${LANES.length * LANE}`, class: "now" }));
    const names = make("div", "", "names", { "aria-hidden": "true" });
    names.append(...LANES.map((lane) => make("span", lane)));
    at("lanes").replaceChildren(names, drawing);
  }

  #list() {
    const list = at("events");
    if (!this.#lines.length) return;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    for (const { t, line, isBad } of this.#lines.splice(0).slice(-MOST_LISTED)) {
      const item = make("li", "", isBad ? "bad" : "");
      const go = make("button", seconds(t), "moment", { type: "button", "aria-label": `Show ${seconds(t)}` });
      go.addEventListener("click", () => this.seek(t));
      item.append(go, make("span", line));
      list.append(item);
    }
    while (list.children.length > MOST_LISTED) list.firstChild.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  }
}

const isBad = (entry) => entry.channel === "motion" && entry.outcome !== "done";

/** What is told of an entry in the list, or "". */
function lineOf(entry) {
  switch (entry.channel) {
    case "motion": {
      const words = [entry.verb, entry.label, entry.zone && `→ ${entry.zone.replaceAll("_", " ")}`].filter(Boolean).join(" ");
      return `${entry.outcome === "done" ? "✓" : "✗"} ${words}${entry.outcome === "done" ? "" : `: ${entry.outcome} ${entry.detail ?? ""}`}`;
    }
    case "question":
      return `asked: ${entry.text}`;
    case "reply":
      return entry.silent ? `nobody answered: ${entry.text}` : `answered: ${entry.text}`;
    case "verdict":
      return `✓ ${entry.label}, by ${entry.by}`;
    case "event":
      return `${entry.what}${entry.text || entry.why ? `: ${entry.text ?? entry.why}` : ""}`;
    case "result":
      return `ended: ${entry.outcome} ${entry.detail ?? ""}`;
    default:
      return "";
  }
}
