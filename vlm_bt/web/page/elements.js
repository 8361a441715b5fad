// Elements of the page. Whatever a model or a person said goes in as text, never as markup.

/** The element of the page with this id. */
export const at = (id) => document.getElementById(id);

/** A new element with its text, class and attributes. */
export function make(tag, text = "", name = "", attributes = {}) {
  const one = document.createElement(tag);
  if (text !== "") one.textContent = text;
  if (name) one.className = name;
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  return one;
}

/** A new SVG element with its attributes. */
export function svg(tag, attributes = {}, ...children) {
  const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  one.append(...children);
  return one;
}

/** A button that does something. */
export function button(text, act, name = "") {
  const one = make("button", text, name, { type: "button" });
  one.addEventListener("click", act);
  return one;
}

/** Sets a text only where it differs, so that a screen reader is told of changes alone. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Seconds for people: 7.2 s, 3 min 05 s. */
export function seconds(value) {
  if (!Number.isFinite(value)) return "";
  if (value < 60) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
