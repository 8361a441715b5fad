// The bench as a plan: its sections, what goes there, what lies there already, and how far the mission is.

import { at, make, seconds, svg, tell } from "./elements.js";

const MARGIN_M = 0.08;
const PX_PER_M = 400;

export class PlanView {
  #drawn = "";

  /** `now`: the state bar's figures, or null. */
  show(state, now) {
    this.#progress(state, now);
    const stamp = `${state.number} ${state.bench?.t} ${state.plan?.t} ${state.placed.size} ${state.motions} ${state.verdicts.size} ${[...state.looks.values()].map((look) => look.frame)}`;
    if (stamp === this.#drawn) return;
    this.#drawn = stamp;
    const sections = sectionsOf(state);
    at("bench").replaceChildren(...(sections.length ? [this.#map(state, sections)] : []));
    at("sections").replaceChildren(...(state.plan ? sections : []).map((one) => this.#section(state, one)));
  }

  #progress(state, now) {
    const planned = (state.plan?.sections ?? []).reduce((sum, one) => sum + total(one.things), 0);
    const placed = now?.sorted ?? state.placed.size;
    const all = Math.max(placed, now?.seen ?? planned);
    at("progress").max = Math.max(1, all);
    at("progress").value = placed;
    const t = Math.max(state.t, now?.t ?? 0);
    const words = [all ? `${placed} of ${all} in their places` : "nothing planned yet"];
    if (!state.result && placed > 0 && placed < all) words.push(`about ${seconds(Math.round((t / placed) * (all - placed)))} left`);
    if (now?.time_limit_s && !state.result) words.push(`limit in ${seconds(Math.max(0, Math.round(now.time_limit_s - t)))}`);
    tell(at("left"), words.join(" · "));
  }

  #map(state, sections) {
    const corners = sections.flatMap(({ x, y }) => [[x[0], y[0]], [x[1], y[1]]]);
    const [left, right] = [Math.max(...corners.map((c) => c[1])) + MARGIN_M, Math.min(...corners.map((c) => c[1])) - MARGIN_M];
    const [far, near] = [Math.max(...corners.map((c) => c[0])) + MARGIN_M, Math.min(...corners.map((c) => c[0])) - MARGIN_M];
    // The robot stands at the lower edge and looks up: its x points up, its y to the left.
    const across = (y) => (left - y) * PX_PER_M;
    const down = (x) => (far - x) * PX_PER_M;
    const map = svg("svg", {
      viewBox: `0 0 ${(left - right) * PX_PER_M} ${(far - near) * PX_PER_M}`,
      role: "img",
      "aria-label": "The bench from above; the robot stands at the lower edge",
    });
    for (const one of sections) {
      const box = { x: across(one.y[1]), y: down(one.x[1]), width: (one.y[1] - one.y[0]) * PX_PER_M, height: (one.x[1] - one.x[0]) * PX_PER_M };
      const name = svg("text", { x: box.x + box.width / 2, y: box.y + 17 });
      name.textContent = one.zone.replaceAll("_", " ");
      map.append(svg("rect", { ...box, rx: one.container ? 14 : 4, class: one.container ? "container" : "section" }), name);
    }
    for (const item of state.seen) {
      if (!item.centre) continue;
      const standing = state.standing(item);
      const dot = svg("circle", { cx: across(item.centre[1]), cy: down(item.centre[0]), r: 6, class: standing });
      const title = svg("title");
      title.textContent = `${state.nameOf(item)}, ${standing}`;
      dot.append(title);
      map.append(dot);
    }
    for (const motion of state.placed.values()) {
      if (motion.to) map.append(svg("path", { d: tick(across(motion.to[1]), down(motion.to[0])), class: "placed" }));
    }
    return map;
  }

  #section(state, one) {
    const item = make("li", "", "section");
    const placed = [...state.placed.values()].filter((motion) => motion.zone === one.zone);
    const wanted = Object.entries(one.things ?? {}).map(([name, count]) => `${count} ${name}`);
    item.append(make("strong", one.zone.replaceAll("_", " ")), make("span", one.groups?.join(", ") ?? "", "note"));
    item.append(make("span", wanted.length ? `planned: ${wanted.join(", ")}` : "nothing planned"));
    if (placed.length) item.append(make("span", `✓ put there: ${placed.map((motion) => motion.label).join(", ")}`, "good"));
    return item;
  }
}

const total = (things) => Object.values(things ?? {}).reduce((sum, count) => sum + count, 0);
const tick = (x, y) => `M${x - 7} ${y}l5 6l9 -12`;

/** The plan's sections where there is a plan, else the zones of the bench. */
function sectionsOf(state) {
  if (state.plan?.sections?.length) return state.plan.sections;
  return (state.bench?.zones ?? []).map((zone) => ({ ...zone, zone: zone.name }));
}
