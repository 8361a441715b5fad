// The mission as its entries tell it: a state is folded from them, so what is live and what is past look the same.

const MOST_TALK = 500;
export const keyOf = (path) => path.join(".");
export const cameraOf = (frame) => String(frame).replace(/-\d+$/, "");

/** What is known at one moment. `number` tells states apart, `version` what one has taken in. */
export class State {
  static count = 0;
  number = (State.count += 1);
  t = 0;
  tick = 0;
  version = 0;
  treeVersion = 0;
  nodes = [];
  skills = new Map();
  statuses = new Map();
  questions = new Map();
  talk = [];
  facts = new Map();
  looks = new Map();
  verdicts = new Map();
  refuted = new Set();
  bench = null;
  plan = null;
  placed = new Map();
  moved = new Set();
  motions = 0;
  asked = 0;
  result = null;

  /** Takes in one entry of the record. */
  fold(entry) {
    this.t = Math.max(this.t, entry.t ?? 0);
    this.tick = Math.max(this.tick, entry.tick ?? 0);
    this.version += 1;
    TAKES[entry.channel]?.(this, entry);
  }

  /** How far a thing's name is believed: verified, claimed or refuted. */
  standing(item) {
    if (item.belief === "refuted" || this.refuted.has(item.object)) return "refuted";
    return item.belief === "verified" || item.verified || this.verdicts.has(item.object) ? "verified" : "claimed";
  }

  /** The name a thing goes by. */
  nameOf(item) {
    return this.verdicts.get(item.object)?.label ?? item.label;
  }

  /** What a look of this camera found and the arm has not moved since. */
  seenBy(camera) {
    return (this.looks.get(camera)?.items ?? []).filter((item) => !this.moved.has(item.object));
  }

  /** Everything that was found and not moved since. */
  get seen() {
    return [...this.looks.keys()].flatMap((camera) => this.seenBy(camera));
  }

  /** A fact as a short sentence. */
  inWords({ scope, subject, key, value }) {
    const item = [...this.looks.values()].flatMap((look) => look.items).find((one) => one.object === subject);
    const about = scope === "object" && item ? `${this.nameOf(item)} (${subject})` : subject || "the mission";
    const what = typeof value === "string" ? value : JSON.stringify(value);
    if (key === "leave") return `${about} ${value ? "stays where it lies" : "may be moved"}`;
    if (key === "identity") return `${about} is: ${what}`;
    if (key === "group") return `${about} goes with: ${what}`;
    return `${about} · ${key}: ${what}`;
  }

  #spoke(who, text, kind, t) {
    this.talk.push({ who, text, kind, t });
    if (this.talk.length > MOST_TALK) this.talk.shift();
  }

  static said(state, who, text, kind, t) {
    if (text) state.#spoke(who, text, kind, t);
  }
}

const TAKES = {
  nodes(state, entry) {
    state.nodes = entry.nodes;
    state.statuses.clear();
    state.treeVersion += 1;
  },
  skill(state, entry) {
    state.skills.set(entry.path.replace(/^.*\//, "").replace(/\.yaml$/, ""), entry.text);
  },
  bench(state, entry) {
    state.bench = entry;
  },
  status(state, entry) {
    state.statuses.set(keyOf(entry.path), entry);
    if (entry.object && entry.outcome === "refuted") state.refuted.add(entry.object);
  },
  question(state, entry) {
    state.asked += 1;
    state.questions.set(String(entry.id), entry);
    State.said(state, "robot", entry.text, "asked", entry.t);
  },
  reply(state, entry) {
    state.questions.delete(String(entry.id));
    const text = entry.silent ? `nobody answered; ${entry.text} holds` : entry.text;
    State.said(state, entry.silent ? "robot" : "person", text, entry.late ? "late" : "reply", entry.t);
  },
  said(state, entry) {
    State.said(state, entry.by || "person", entry.text, "said", entry.t);
    State.said(state, "robot", entry.reply, "reply", entry.t);
  },
  fact(state, entry) {
    if (entry.revoked) state.facts.delete(String(entry.id));
    else state.facts.set(String(entry.id), entry);
  },
  detections(state, entry) {
    state.looks.set(entry.camera ?? cameraOf(entry.frame), entry);
    for (const item of entry.items) state.moved.delete(item.object);
  },
  verdict(state, entry) {
    state.verdicts.set(entry.object, entry);
    state.refuted.delete(entry.object);
  },
  motion(state, entry) {
    if (entry.verb !== "home") state.motions += 1;
    if (entry.outcome !== "done") return;
    if (entry.verb === "place") state.placed.set(entry.object || entry.id, entry);
    if (entry.verb !== "pick") return;
    state.placed.delete(entry.object);
    state.moved.add(entry.object);
  },
  event(state, entry) {
    if (entry.what === "plan") state.plan = entry;
  },
  result(state, entry) {
    state.result = entry;
    state.questions.clear();
  },
};
