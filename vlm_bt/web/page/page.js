// Wires the page together: what the mission tells goes into a state, and the views draw the state.

import { at, tell } from "./elements.js";
import { CameraView } from "./camera.js";
import { Connection } from "./connection.js";
import { Controls } from "./controls.js";
import { ConversationView } from "./conversation.js";
import { State } from "./mission.js";
import { NodeView } from "./node.js";
import { PlanView } from "./plan.js";
import { TimelineView } from "./timeline.js";
import { TreeView } from "./tree.js";

let state = new State();
let now = null;
let hello = { role: "watch", can: [], cameras: [], source: "live", mission: "" };
let isLive = true;
let isConnected = false;
let wasLost = false;
let isWaiting = false;

const connection = new Connection({ message: hear, picture: (header, blob) => cameras.picture(header, blob), state: changed });
const send = (what, answered) => connection.send(what, answered);
const seek = (t) => send(t === null ? { do: "live" } : { do: "seek", t });

const controls = new Controls(send, () => seek(null));
const cameras = new CameraView(send);
const conversation = new ConversationView(send);
const node = new NodeView();
const plan = new PlanView();
const timeline = new TimelineView(seek);
const tree = new TreeView((key) => {
  node.open(key);
  draw();
});

const HEARS = {
  hello(message) {
    if (message.mission !== hello.mission) timeline.clear();
    hello = message;
    tell(at("title"), message.mission || "Mission");
    document.title = `${message.mission || "Mission"} – live`;
    controls.may(message.can);
    cameras.cameras(message.cameras ?? []);
  },
  snapshot(message) {
    state = new State();
    isLive = message.live;
    if (isLive) at("play").value = "0";
    timeline.span(message.from_t, message.to_t);
    timeline.restart(message.entries, message.live);
    for (const entry of message.entries) state.fold(entry);
    if (!isLive) state.t = message.t;
  },
  entries(message) {
    for (const entry of message.entries) state.fold(entry);
    timeline.take(message.entries);
    if (isLive) timeline.span(undefined, message.to_t);
    else state.t = Math.max(state.t, message.to_t);
  },
  span(message) {
    timeline.span(message.from_t, message.to_t);
  },
  now(message) {
    now = message;
  },
};

function hear(message) {
  HEARS[message.type]?.(message);
  draw();
}

function changed(what) {
  isConnected = what === "open";
  if (what === "open") {
    if (wasLost) controls.banner("Connected again.", "good", 4000);
    wasLost = false;
  } else {
    wasLost = true;
    controls.banner(
      what === "refused"
        ? "This address is not let in. Open the one that the mission printed."
        : `${state.result ? "The mission is over, and" : "The connection is lost:"} nothing here is live; trying again …`,
    );
  }
  draw();
}

/** Draws once before the browser's next picture, however much was heard. */
function draw() {
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    const moment = isLive ? Math.max(state.t, now?.t ?? 0) : state.t;
    const live = isLive ? now : null;
    controls.show(state, live, { isLive, isConnected, role: hello.role, source: hello.source });
    tree.show(state);
    node.show(state);
    cameras.show(state, isLive);
    conversation.show(state, moment, (what) => isLive && isConnected && hello.can.includes(what));
    plan.show(state, live);
    timeline.show(moment, isLive);
    at("play").parentElement.hidden = isLive || !hello.can.includes("play");
  });
}

at("play").addEventListener("change", ({ target }) => send({ do: "play", rate: Number(target.value) }));
at("depth").addEventListener("change", () => {
  cameras.want();
  draw();
});
at("boxes").addEventListener("change", draw);
at("follow").addEventListener("change", draw);
draw();
