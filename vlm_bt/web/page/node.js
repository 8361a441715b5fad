// A node of the tree, opened: its card, inputs, outputs, outcome and evidence.

import { at, button, make, seconds } from "./elements.js";
import { keyOf } from "./mission.js";

const SIGNS = { for: "+ for", against: "− against", neutral: "○ neutral" };

export class NodeView {
  #key = null;
  #drawn = "";

  /** Opens a node by its key; null closes. */
  open(key) {
    this.#key = key;
    this.#drawn = "";
  }

  show(state) {
    const box = at("node");
    const node = this.#key === null ? null : state.nodes.find((one) => keyOf(one.path) === this.#key);
    const entry = node && state.statuses.get(this.#key);
    const stamp = node ? `${this.#key} ${node.name} ${entry?.t} ${entry?.status} ${state.skills.has(node.skill)}` : "";
    if (stamp === this.#drawn) return;
    this.#drawn = stamp;
    box.replaceChildren();
    if (!node) return;
    const head = make("div", "", "head");
    head.append(make("h3", node.name), button("Close", () => { this.open(null); this.show(state); at("tree").focus(); }));
    box.append(head, this.#outcome(node, entry));
    this.#pairs(box, "Inputs", entry?.inputs ?? node.inputs);
    this.#pairs(box, "Outputs", entry?.outputs ?? node.outputs);
    if (entry?.grounds?.length) box.append(make("h4", "Evidence"), this.#grounds(entry.grounds));
    const card = state.skills.get(node.skill);
    if (node.card?.summary) box.append(make("p", node.card.summary, "note"));
    this.#pairs(box, "Card", node.card && { safety: node.card.safety, reasons: (node.card.reasons ?? []).join(", ") });
    if (card) {
      const details = make("details");
      details.append(make("summary", `Card of ${node.skill}`), make("pre", card, "", { tabindex: "0" }));
      if (!node.card) box.append(make("p", summaryOf(card), "note"));
      box.append(details);
    }
  }

  #outcome(node, entry) {
    const list = make("dl");
    const add = (name, text) => text && list.append(make("dt", name), make("dd", String(text)));
    add("Kind", node.skill ? `${node.type}, skill ${node.skill}` : node.type);
    add("Status", entry ? `${entry.status.toLowerCase()} since ${seconds(entry.t)}` : "not ticked yet");
    add("Outcome", entry?.outcome);
    add("Detail", entry?.detail);
    return list;
  }

  #pairs(box, title, values) {
    const pairs = Object.entries(values ?? {}).filter(([, value]) => !["", "None", undefined, null].includes(value));
    if (!pairs.length) return;
    const list = make("dl");
    for (const [name, value] of pairs) {
      list.append(make("dt", name), make("dd", typeof value === "string" ? value : JSON.stringify(value)));
    }
    box.append(make("h4", title), list);
  }

  #grounds(grounds) {
    const list = make("ul", "", "plain grounds");
    for (const one of grounds) {
      const item = make("li", "", one.weighs);
      const score = typeof one.score === "number" ? ` (${one.score.toFixed(3)})` : "";
      item.append(make("strong", SIGNS[one.weighs] ?? one.weighs), ` ${one.source}: ${one.says}${score}`);
      list.append(item);
    }
    return list;
  }
}

/** The summary line of a card, with what it goes on with. */
function summaryOf(card) {
  return card.match(/^summary:\s*(.+(?:\n {2,}.+)*)/m)?.[1].replace(/\s+/g, " ") ?? "";
}
