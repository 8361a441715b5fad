// The tree as an accessible tree widget. Only the rows in sight exist, so thousands of nodes scroll freely.

import { at, make, tell } from "./elements.js";
import { keyOf } from "./mission.js";

const SIGNS = { RUNNING: "▶", SUCCESS: "✓", FAILURE: "✗", INVALID: "·" };
const WORDS = { RUNNING: "running", SUCCESS: "success", FAILURE: "failure", INVALID: "not ticked" };
const MARGIN_ROWS = 8;
const TYPED_WITHIN_MS = 700;
const DEPTH_UNFOLDED = 3;

/** `chosen(key)` is told which node a person looks at. */
export class TreeView {
  #box = at("tree");
  #space = make("div", "", "space", { role: "presentation" });
  #nodes = new Map();
  #rows = [];
  #open = new Set();
  #state = null;
  #version = -1;
  #current = "";
  #words = "";
  #typed = "";
  #typedAt = 0;
  #path = "";
  #elements = new Map();

  constructor(chosen) {
    this.chosen = chosen;
    this.#box.append(this.#space);
    this.#box.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#box.addEventListener("keydown", (event) => this.#pressed(event));
    this.#box.addEventListener("click", (event) => this.#clicked(event));
    at("search").addEventListener("input", (event) => this.#search(event.target.value));
    at("search").addEventListener("keydown", (event) => {
      if (event.key === "Escape") event.stopPropagation();
    });
    at("unfold").addEventListener("click", () => this.#unfoldAll(true));
    at("fold").addEventListener("click", () => this.#unfoldAll(false));
    new ResizeObserver(() => this.#draw()).observe(this.#box);
  }

  /** Draws the tree of a state. */
  show(state) {
    if (this.#state !== state || this.#version !== state.treeVersion) this.#build(state);
    if (at("follow").checked) this.#follow();
    this.#draw();
  }

  #build(state) {
    const isSame = this.#nodes.size > 0 && this.#nodes.size === state.nodes.length
      && state.nodes.every((node) => this.#nodes.get(keyOf(node.path))?.name === node.name);
    this.#state = state;
    this.#version = state.treeVersion;
    if (isSame) return;
    this.#nodes = new Map();
    this.#open = new Set();
    for (const node of state.nodes) {
      const key = keyOf(node.path);
      const up = node.path.length ? this.#nodes.get(keyOf(node.path.slice(0, -1))) : null;
      const one = { ...node, key, up, level: node.path.length + 1, children: [], place: 1 };
      up?.children.push(one);
      one.place = up ? up.children.length : 1;
      this.#nodes.set(key, one);
      if (node.path.length < DEPTH_UNFOLDED) this.#open.add(key);
    }
    this.#current = this.#nodes.has(this.#current) ? this.#current : state.nodes.length ? keyOf(state.nodes[0].path) : "";
    this.#list();
  }

  /** The rows that are unfolded, in order. */
  #list() {
    const wanted = this.#matches();
    this.#rows = [];
    for (const node of this.#nodes.values()) {
      if (wanted ? wanted.has(node.key) : this.#isUnfolded(node)) this.#rows.push(node);
    }
    this.#rows.forEach((node, index) => (node.row = index));
    if (!this.#rows.some((node) => node.key === this.#current) && this.#rows.length) this.#current = this.#rows[0].key;
    this.#space.replaceChildren();
    this.#elements.clear();
    this.#draw();
  }

  #isUnfolded(node) {
    for (let up = node.up; up; up = up.up) if (!this.#open.has(up.key)) return false;
    return true;
  }

  #matches() {
    if (!this.#words) return null;
    const wanted = new Set();
    let count = 0;
    for (const node of this.#nodes.values()) {
      if (!`${node.name} ${node.type} ${node.skill ?? ""}`.toLowerCase().includes(this.#words)) continue;
      count += 1;
      for (let one = node; one; one = one.up) wanted.add(one.key);
    }
    tell(at("found"), count === 1 ? "1 node found" : `${count} nodes found`);
    return wanted;
  }

  #search(words) {
    this.#words = words.trim().toLowerCase();
    if (!this.#words) tell(at("found"), "");
    this.#list();
  }

  #unfoldAll(isOpen) {
    this.#open = new Set(isOpen ? this.#nodes.keys() : [this.#rows[0]?.key]);
    if (!isOpen) at("follow").checked = false;
    this.#list();
  }

  /** Unfolds the way to the deepest node that runs, and scrolls there when it changes. */
  #follow() {
    let deepest = null;
    for (const [key, entry] of this.#state.statuses) {
      const node = this.#nodes.get(key);
      if (entry.status === "RUNNING" && node && node.level >= (deepest?.level ?? 0)) deepest = node;
    }
    if (!deepest || deepest.key === this.#path) return;
    this.#path = deepest.key;
    let isNew = false;
    for (let up = deepest.up; up; up = up.up) {
      isNew ||= !this.#open.has(up.key);
      this.#open.add(up.key);
    }
    if (isNew) this.#list();
    if (!this.#box.contains(document.activeElement)) this.#reveal(deepest);
  }

  #height() {
    return parseFloat(getComputedStyle(this.#box).getPropertyValue("--row")) || 28;
  }

  #reveal(node) {
    const top = node.row * this.#height();
    const bottom = top + this.#height();
    if (top < this.#box.scrollTop) this.#box.scrollTop = top - this.#height();
    else if (bottom > this.#box.scrollTop + this.#box.clientHeight) {
      this.#box.scrollTop = bottom - this.#box.clientHeight + this.#height() * 2;
    }
  }

  /** Puts the rows in sight, and the current one, into the page. */
  #draw() {
    if (!this.#state) return;
    const height = this.#height();
    this.#space.style.setProperty("height", `${this.#rows.length * height}px`);
    const first = Math.max(0, Math.floor(this.#box.scrollTop / height) - MARGIN_ROWS);
    const last = Math.min(this.#rows.length, Math.ceil((this.#box.scrollTop + this.#box.clientHeight) / height) + MARGIN_ROWS);
    const wanted = new Set(this.#rows.slice(first, last));
    const current = this.#nodes.get(this.#current);
    if (current) wanted.add(current);
    for (const [key, row] of this.#elements) {
      if (wanted.has(this.#nodes.get(key))) continue;
      row.element.remove();
      this.#elements.delete(key);
    }
    for (const node of wanted) this.#drawRow(node, height);
    if (current) this.#box.setAttribute("aria-activedescendant", `node-${current.key}`);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  #drawRow(node, height) {
    let row = this.#elements.get(node.key);
    if (!row) {
      row = this.#row(node);
      this.#elements.set(node.key, row);
      this.#space.append(row.element);
    }
    const { element, sign, word, said } = row;
    element.style.setProperty("transform", `translateY(${node.row * height}px)`);
    const entry = this.#state.statuses.get(node.key);
    const status = entry?.status ?? "INVALID";
    if (element.dataset.status !== status) {
      element.dataset.status = status;
      sign.textContent = SIGNS[status] ?? "·";
      word.textContent = `, ${WORDS[status] ?? status}`;
    }
    tell(said, entry && status === "FAILURE" && entry.outcome ? entry.outcome : "");
    const isCurrent = node.key === this.#current;
    if ((element.getAttribute("aria-selected") === "true") !== isCurrent) {
      element.setAttribute("aria-selected", String(isCurrent));
    }
    if (node.children.length) {
      element.setAttribute("aria-expanded", String(Boolean(this.#words) || this.#open.has(node.key)));
    }
  }

  #row(node) {
    const element = make("div", "", "row", {
      role: "treeitem",
      id: `node-${node.key}`,
      "aria-level": node.level,
      "aria-setsize": node.up?.children.length ?? 1,
      "aria-posinset": node.place,
      "aria-selected": "false",
    });
    element.dataset.key = node.key;
    element.style.setProperty("--level", Math.min(node.level - 1, 14));
    const arrow = make("span", node.children.length ? "▸" : "", "arrow", { "aria-hidden": "true" });
    const sign = make("span", SIGNS.INVALID, "sign", { "aria-hidden": "true" });
    const name = make("span", node.name, "name", { title: `${node.name} (${node.type})` });
    const word = make("span", "", "hidden-label");
    const said = make("span", "", "said");
    element.append(arrow, sign, name, word, said);
    return { element, sign, word, said };
  }

  #choose(node, isOpened = true) {
    if (!node) return;
    this.#current = node.key;
    this.#reveal(node);
    this.#draw();
    if (isOpened) this.chosen(node.key);
  }

  #toggle(node, isOpen) {
    if (!node?.children.length || this.#words) return;
    if (isOpen) this.#open.add(node.key);
    else this.#open.delete(node.key);
    this.#list();
  }

  #clicked(event) {
    const row = event.target.closest("[role=treeitem]");
    if (!row) return;
    const node = this.#nodes.get(row.dataset.key);
    if (event.target.closest(".arrow")) this.#toggle(node, !this.#open.has(node.key));
    this.#choose(node);
  }

  #pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const node = this.#nodes.get(this.#current);
    if (!node) return;
    const page = Math.max(1, Math.floor(this.#box.clientHeight / this.#height()) - 1);
    const to = (index) => this.#rows[Math.max(0, Math.min(this.#rows.length - 1, index))];
    const keys = {
      ArrowDown: () => this.#choose(to(node.row + 1)),
      ArrowUp: () => this.#choose(to(node.row - 1)),
      PageDown: () => this.#choose(to(node.row + page)),
      PageUp: () => this.#choose(to(node.row - page)),
      Home: () => this.#choose(to(0)),
      End: () => this.#choose(to(this.#rows.length - 1)),
      ArrowRight: () => (this.#open.has(node.key) ? this.#choose(node.children[0]) : this.#toggle(node, true)),
      ArrowLeft: () =>
        this.#open.has(node.key) && node.children.length ? this.#toggle(node, false) : this.#choose(node.up),
      Enter: () => this.#choose(node),
      " ": () => this.#toggle(node, !this.#open.has(node.key)),
      "*": () => {
        for (const one of node.up?.children ?? [node]) this.#open.add(one.key);
        this.#list();
      },
    };
    const isTyping = event.key === " " && performance.now() - this.#typedAt < TYPED_WITHIN_MS;
    const act = (isTyping ? null : keys[event.key]) ?? (event.key.length === 1 ? () => this.#type(event.key, node) : null);
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** Goes to the next row that begins with what was typed. */
  #type(letter, node) {
    const now = performance.now();
    this.#typed = now - this.#typedAt < TYPED_WITHIN_MS ? this.#typed + letter.toLowerCase() : letter.toLowerCase();
    this.#typedAt = now;
    const first = this.#typed.length > 1 ? node.row : node.row + 1;
    const order = [...this.#rows.slice(first), ...this.#rows.slice(0, first)];
    this.#choose(order.find((one) => one.name.toLowerCase().startsWith(this.#typed)));
  }
}
