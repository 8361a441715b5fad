// What the robot asks, what was said, and what it remembers.

import { at, button, make, seconds, svg, tell } from "./elements.js";
import { pictureOf } from "./connection.js";

const TRIES = 4;
const AGAIN_MS = 400;

/** `send(what, answered)` carries answers, sentences and revocations. */
export class ConversationView {
  #open = new Map();
  #talk = { state: null, last: null };
  #facts = "";

  constructor(send) {
    this.send = send;
    at("say").addEventListener("submit", (event) => {
      event.preventDefault();
      const line = at("line");
      if (!line.value.trim()) return;
      send({ do: "say", text: line.value.trim() }, ({ ok, text }) => {
        tell(at("heard"), ok ? "" : `Not heard: ${text}`);
        if (ok) line.value = "";
      });
    });
  }

  /** `now`: seconds on the mission's clock; `may(what)`: whether that counts here and now. */
  show(state, now, may) {
    const mayAnswer = may("answer");
    for (const one of at("say").elements) one.disabled = !may("say");
    for (const [id, box] of this.#open) {
      if (state.questions.has(id) && box.question === state.questions.get(id)) continue;
      box.element.remove();
      this.#open.delete(id);
    }
    for (const [id, question] of state.questions) {
      if (!this.#open.has(id)) this.#ask(id, question);
      this.#remaining(this.#open.get(id), now, mayAnswer);
    }
    this.#log(state);
    this.#remember(state, may("revoke"));
  }

  #ask(id, question) {
    const element = make("article", "", "question", { "aria-label": "Question of the robot" });
    element.append(make("p", question.text, "text"));
    if (question.frame) element.append(this.#picture(question));
    const options = make("div", "", "options");
    const buttons = (question.options ?? []).map((option) => button(option, () => this.#answer(id, option)));
    options.append(...buttons);
    element.append(options);
    if (question.free_text) element.append(this.#free(id));
    const left = make("p", "", "note", { "aria-live": "off" });
    const bar = make("progress", "", "", { max: "1", "aria-label": "Time left to answer" });
    const sent = make("p", "", "note", { role: "status" });
    element.append(bar, left, sent);
    at("questions").append(element);
    this.#open.set(id, { element, question, left, sent, bar, buttons });
  }

  #free(id) {
    const form = make("form", "", "free");
    const input = make("input", "", "", { maxlength: "200", "aria-label": "Another answer", placeholder: "Another answer" });
    form.append(input, make("button", "Answer"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.value.trim()) this.#answer(id, input.value.trim());
    });
    return form;
  }

  #answer(id, text) {
    const box = this.#open.get(id);
    this.send({ do: "answer", question: id, text }, (done) => tell(box.sent, done.ok ? "" : `Not taken: ${done.text}`));
  }

  /** The thing close up, beside the whole picture with its place. */
  #picture(question) {
    const row = make("div", "", "evidence");
    const marks = [question.mark, ...(question.marks ?? [])].filter((one) => one?.length === 4);
    let address = pictureOf(question.frame);
    let tries = TRIES;
    const probe = new Image();
    const views = [];
    if (marks.length === 1) views.push(svg("svg", { role: "img", "aria-label": "The thing, close up", class: "close" }));
    views.push(svg("svg", { role: "img", "aria-label": "The whole bench, with the thing marked" }));
    row.append(...views);
    probe.addEventListener("load", () => {
      const [width, height] = [probe.naturalWidth, probe.naturalHeight];
      for (const view of views) {
        const isClose = view.classList.contains("close");
        view.setAttribute("viewBox", isClose ? around(marks[0], width, height) : `0 0 ${width} ${height}`);
        view.append(svg("image", { href: address, width, height }));
        marks.forEach(([x0, y0, x1, y1], index) => {
          view.append(svg("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 3, class: "mark" }));
          if (marks.length < 2) return;
          const number = svg("text", { x: x0, y: Math.max(26, y0 - 8), class: "mark" });
          number.textContent = String(index + 1);
          view.append(number);
        });
      }
    });
    // A picture is kept a moment after it was told of.
    probe.addEventListener("error", () => {
      tries -= 1;
      address = `${pictureOf(question.frame)}?try=${tries}`;
      if (tries > 0) setTimeout(() => (probe.src = address), AGAIN_MS);
      else row.remove();
    });
    probe.src = address;
    return row;
  }

  #remaining(box, t, mayAnswer) {
    const { question, left, bar, buttons } = box;
    const leftS = (question.limit_t ?? question.t + question.timeout_s) - t;
    for (const one of buttons) one.disabled = !mayAnswer;
    bar.hidden = !Number.isFinite(leftS);
    if (bar.hidden) return;
    bar.value = Math.max(0, Math.min(1, leftS / question.timeout_s));
    tell(left, `${seconds(Math.max(0, leftS))} left${question.default ? `, then: ${question.default}` : ""}`);
  }

  #log(state) {
    const list = at("talk");
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const last = state.talk.at(-1);
    if (this.#talk.state === state && this.#talk.last === last) return;
    if (this.#talk.state !== state) list.replaceChildren();
    const known = this.#talk.state === state ? state.talk.indexOf(this.#talk.last) + 1 : 0;
    for (const one of state.talk.slice(known)) {
      const item = make("p", "", `${one.who === "robot" ? "robot" : "person"} ${one.kind}`);
      item.append(make("span", `${one.who} · ${seconds(one.t)}`, "by"), make("span", one.text, "text"));
      list.append(item);
    }
    while (list.children.length > state.talk.length) list.firstChild.remove();
    this.#talk = { state, last };
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  }

  #remember(state, mayRevoke) {
    const stamp = [mayRevoke, ...[...state.facts.values()].map((one) => `${one.id} ${state.inWords(one)}`)].join("\n");
    if (stamp === this.#facts && at("facts").children.length) return;
    this.#facts = stamp;
    const items = [...state.facts.values()].map((fact) => {
      const item = make("li", "", "fact");
      const words = state.inWords(fact);
      const by = fact.by ? ` (${fact.by})` : "";
      const revoke = button("Revoke", () => this.send({ do: "revoke", fact: String(fact.id) }));
      revoke.disabled = !mayRevoke;
      revoke.setAttribute("aria-label", `Revoke: ${words}`);
      item.append(make("span", words + by), revoke);
      return item;
    });
    at("facts").replaceChildren(...(items.length ? items : [make("li", "Nothing yet.", "note")]));
  }
}

/** A square view box around a mark, inside the picture. */
function around([x0, y0, x1, y1], width, height) {
  const side = Math.min(height, Math.max(96, 1.8 * Math.max(x1 - x0, y1 - y0)));
  const x = Math.max(0, Math.min(width - side, (x0 + x1 - side) / 2));
  const y = Math.max(0, Math.min(height - side, (y0 + y1 - side) / 2));
  return `${x} ${y} ${side} ${side}`;
}
