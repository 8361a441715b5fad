// Camera panes: the picture, and what is claimed, verified and refuted in it.

import { at, button, make, seconds, svg, tell } from "./elements.js";
import { pictureOf } from "./connection.js";
import { cameraOf } from "./mission.js";

const SIGNS = { verified: "✓", claimed: "?", refuted: "✗" };
const STEP_PX = 8;
const BIG_STEP_PX = 40;
const TRIES = 3;
const AGAIN_MS = 400;
const LABEL_PX = 22;

/** `send(what, answered)` tells the mission what a person points out. */
export class CameraView {
  #panes = new Map();
  #listed = "";

  constructor(send) {
    this.send = send;
  }

  /** The cameras that the mission has; their panes are asked for. */
  cameras(names) {
    for (const [camera, pane] of this.#panes) {
      if (names.includes(camera)) continue;
      pane.element.remove();
      this.#panes.delete(camera);
    }
    for (const camera of names) this.#pane(camera);
    this.want();
  }

  /** Asks for the pictures that are shown. */
  want() {
    const names = [...this.#panes.keys()];
    const isDepth = at("depth").checked;
    for (const pane of this.#panes.values()) pane.rest();
    this.send({ do: "cameras", want: isDepth ? [] : names, depth: isDepth ? names : [] });
  }

  /** A live picture came. */
  picture(header, blob) {
    if ((header.kind === "depth") === at("depth").checked) this.#pane(header.camera).live(header, blob);
  }

  show(state, isLive) {
    for (const camera of state.looks.keys()) this.#pane(camera);
    for (const pane of this.#panes.values()) pane.show(state, isLive);
    this.#list(state);
  }

  #pane(camera) {
    let pane = this.#panes.get(camera);
    if (!pane) {
      pane = new Pane(camera, this.send);
      this.#panes.set(camera, pane);
      at("cameras").append(pane.element);
    }
    return pane;
  }

  #list(state) {
    const lines = [];
    for (const item of state.seen) {
      const standing = state.standing(item);
      lines.push(`${SIGNS[standing]} ${state.nameOf(item)}, ${standing}, score ${Number(item.score).toFixed(2)}`);
    }
    const stamp = lines.join("\n");
    if (stamp === this.#listed) return;
    this.#listed = stamp;
    at("things").replaceChildren(...lines.map((line) => make("li", line)));
  }
}

class Pane {
  #frame = "";
  #isDepth = false;
  #isStreaming = false;
  #address = "";
  #size = [1280, 720];
  #drawn = "";
  #cursor = null;
  #isLoading = false;
  #labels = [];
  #tries = 0;

  constructor(camera, send) {
    this.camera = camera;
    this.send = send;
    this.element = make("figure", "", "pane empty");
    this.image = make("img", "", "", { alt: `Picture of the ${camera} camera` });
    this.overlay = svg("svg", { class: "overlay", "aria-hidden": "true" });
    this.stage = make("div", "", "stage", {
      role: "application",
      tabindex: "0",
      "aria-label": `Picture of the ${camera} camera. Arrow keys move a cursor, Enter points out what is there.`,
    });
    this.stage.append(this.image, this.overlay);
    this.caption = make("figcaption", camera);
    this.pointed = make("p", "", "note", { role: "status" });
    this.element.append(this.stage, this.caption, this.pointed);
    this.image.addEventListener("load", () => this.#loaded());
    this.image.addEventListener("error", () => this.#failed());
    this.stage.addEventListener("click", (event) => this.#clicked(event));
    this.stage.addEventListener("keydown", (event) => this.#pressed(event));
    this.stage.addEventListener("blur", () => { this.#cursor = null; this.#drawn = ""; });
  }

  show(state, isLive) {
    this.state = state;
    const look = state.looks.get(this.camera);
    const isDepth = at("depth").checked;
    if (!isLive) this.#isStreaming = false;
    // Nothing is known of what this camera saw then.
    if (!isLive && !look) this.element.classList.add("empty");
    if (look && !this.#isStreaming && (look.frame !== this.#frame || isDepth !== this.#isDepth)) {
      this.#isDepth = isDepth;
      this.#load(look.frame, pictureOf(look.frame, isDepth));
    }
    const words = [this.camera, this.#isDepth ? "depth" : "", this.#frame || (this.#isStreaming ? "live" : "")];
    if (this.#isStreaming && !this.#frame && look && at("boxes").checked) words.push(`boxes as seen at ${seconds(look.t)}`);
    if (this.element.classList.contains("missing")) words.push("not kept any more");
    tell(this.caption, words.filter(Boolean).join(" · "));
    this.#draw(state, look);
  }

  /** Until the stream brings something, the picture of the last look is shown. */
  rest() {
    this.#isStreaming = false;
  }

  /** A picture of the stream; left out while the one before it is still being decoded. */
  live(header, blob) {
    this.#isStreaming = true;
    this.#isDepth = header.kind === "depth";
    if (this.#isLoading) return;
    // What comes may be smaller than the mission's pictures, in whose pixels boxes are told.
    this.#size = [header.width, header.height];
    this.#load(header.frame, URL.createObjectURL(blob));
  }

  #load(frame, address, tries = TRIES) {
    this.#release();
    this.#tries = tries;
    this.#frame = frame;
    this.#isLoading = true;
    this.#address = address;
    this.image.src = address;
  }

  #loaded() {
    this.#isLoading = false;
    if (!this.#release()) this.#size = [this.image.naturalWidth, this.image.naturalHeight];
    this.stage.style.setProperty("aspect-ratio", this.#size.join(" / "));
    // The width of a label is known only where it is shown.
    if (this.element.classList.contains("empty")) this.#drawn = "";
    this.element.classList.remove("missing", "empty");
    if (this.state) this.#draw(this.state, this.state.looks.get(this.camera));
  }

  /** Frees a picture of the stream; false where it was none. */
  #release() {
    const isStreamed = this.#address.startsWith("blob:");
    if (isStreamed) URL.revokeObjectURL(this.#address);
    this.#address = "";
    return isStreamed;
  }

  /** A picture is kept a moment after it was told of: it is asked for again before it counts as gone. */
  #failed() {
    this.#isLoading = false;
    const [frame, tries] = [this.#frame, this.#tries - 1];
    if (!this.#release() && tries > 0) {
      setTimeout(() => {
        if (frame !== this.#frame || this.#isLoading || this.#isStreaming) return;
        this.#load(frame, `${pictureOf(frame, this.#isDepth)}?try=${tries}`, tries);
      }, AGAIN_MS);
      return;
    }
    this.element.classList.add("missing");
  }

  #draw(state, look) {
    if (look?.width) this.#size = [look.width, look.height];
    const marks = [...state.questions.values()].filter((one) => one.frame && one.frame === look?.frame);
    const stamp = [state.number, state.version, at("boxes").checked, this.#cursor, this.#size].join(" ");
    if (stamp === this.#drawn) return;
    this.#drawn = stamp;
    this.overlay.setAttribute("viewBox", `0 0 ${this.#size.join(" ")}`);
    this.overlay.replaceChildren();
    if (look && at("boxes").checked) {
      this.#labels = [];
      for (const item of state.seenBy(this.camera)) this.#thing(item, state.standing(item), state.nameOf(item));
    }
    for (const question of marks) {
      for (const mark of [question.mark, ...(question.marks ?? [])]) if (mark?.length === 4) this.#rect(mark, "mark");
    }
    if (this.#cursor) {
      const [x, y] = this.#cursor;
      this.overlay.append(
        svg("path", { d: `M${x - 26} ${y}h52M${x} ${y - 26}v52`, class: "cross" }),
        svg("circle", { cx: x, cy: y, r: 14, class: "cross" }),
      );
    }
  }

  #rect([x0, y0, x1, y1], name) {
    this.overlay.append(svg("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 3, class: name }));
  }

  #thing(item, standing, name) {
    if (item.outline?.length) {
      this.overlay.append(svg("polygon", { points: item.outline.map((p) => p.join(",")).join(" "), class: `mask ${standing}` }));
    }
    this.#rect(item.box, `halo`);
    this.#rect(item.box, standing);
    const words = `${SIGNS[standing]} ${name} ${Number(item.score).toFixed(2)}`;
    const text = svg("text", { class: `name ${standing}` });
    text.textContent = words;
    this.overlay.append(text);
    const width = text.getComputedTextLength();
    const place = this.#free(item.box, width);
    if (!place) {
      text.textContent = SIGNS[standing];
      text.setAttribute("x", item.box[0] + 3);
      text.setAttribute("y", item.box[3] - 4);
      return;
    }
    const [x, y] = place;
    text.setAttribute("x", x);
    text.setAttribute("y", y);
    if (standing === "refuted") this.overlay.append(svg("path", { d: `M${x} ${y - LABEL_PX * 0.3}h${width}`, class: "strike" }));
  }

  /** Where a label fits beside its box without lying on another one: (x, baseline); null where there is no room. */
  #free([x0, y0, x1, y1], width) {
    const [right, bottom] = this.#size;
    const left = Math.max(2, Math.min(x0, right - width - 2));
    const end = Math.max(2, Math.min(x1, right - 2) - width);
    const places = [[left, y0 - 6], [left, y1 + LABEL_PX - 2], [end, y0 - 6], [end, y1 + LABEL_PX - 2], [x1 + 5, (y0 + y1 + LABEL_PX) / 2 - 3]];
    const found = places.find(
      ([x, y]) =>
        y > LABEL_PX && y < bottom - 2 && x + width < right &&
        this.#labels.every(([ox, oy, other]) => x > ox + other || x + width < ox || Math.abs(y - oy) > LABEL_PX - 2),
    );
    if (found) this.#labels.push([...found, width]);
    return found ?? null;
  }

  #clicked(event) {
    const place = this.image.getBoundingClientRect();
    const x = ((event.clientX - place.left) / place.width) * this.#size[0];
    const y = ((event.clientY - place.top) / place.height) * this.#size[1];
    this.#point(x, y);
  }

  #pressed(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    const [width, height] = this.#size;
    if (move) {
      event.preventDefault();
      const [x, y] = this.#cursor ?? [width / 2, height / 2];
      const step = event.shiftKey ? BIG_STEP_PX : STEP_PX;
      this.#cursor = [
        Math.max(0, Math.min(width - 1, x + move[0] * step)),
        Math.max(0, Math.min(height - 1, y + move[1] * step)),
      ];
      tell(this.pointed, this.#under(...this.#cursor)?.words ?? "nothing known here");
      this.#draw(this.state, this.state.looks.get(this.camera));
    } else if (event.key === "Enter" && this.#cursor) {
      event.preventDefault();
      this.#point(...this.#cursor);
    }
  }

  /** The smallest thing at a pixel. */
  #under(x, y) {
    const items = this.state?.seenBy(this.camera) ?? [];
    const size = ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);
    const item = items
      .filter(({ box: [x0, y0, x1, y1] }) => x >= x0 && x < x1 && y >= y0 && y < y1)
      .sort((one, other) => size(one) - size(other))[0];
    return item && { item, words: `${this.state.nameOf(item)}, ${this.state.standing(item)}` };
  }

  #point(x, y) {
    const under = this.#under(x, y);
    this.#cursor = [x, y];
    this.#drawn = "";
    this.#draw(this.state, this.state.looks.get(this.camera));
    this.pointed.replaceChildren(
      make("span", under ? `Here: ${under.words}. ` : "Nothing known here. "),
      button("Point it out to the robot", () => {
        const where = this.#frame ? { frame: this.#frame } : { camera: this.camera };
        const asked = [...this.state.questions.values()].find((one) => one.marks?.length && cameraOf(one.frame) === this.camera);
        if (asked) where.question = String(asked.id);
        this.send({ do: "point", ...where, u: Math.round(x), v: Math.round(y) }, ({ ok, text }) =>
          tell(this.pointed, ok ? text || "The robot knows which one is meant." : `Not taken: ${text}`),
        );
      }),
    );
  }
}
