"""Every shipped mission besides the large one: whole, in the simulation, on benches of one to five things."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fakes import CrankClock, ListRecorder, TicketArm, done, held, thing
from missions import messages, mission

from vlm_bt.leaves.finding import order
from vlm_bt.leaves.handing import HAS_IT, PUT_IT_BACK, HandOver
from vlm_bt.leaves.leaf import Binding
from vlm_bt.ledger import Ledger, VerifiedArm
from vlm_bt.places import share_dir
from vlm_bt.ports import Ticket
from vlm_bt.sentences import named, split
from vlm_bt.types import Question, Reply, VerifiedObject

WRENCHES = ("adjustable wrench", "adjustable wrench", "combination wrench")


def sized(**sizes):
    """Items with a chosen share between the smallest and the largest of their kind."""
    return lambda scenario: replace(
        scenario, items=tuple(replace(item, size=sizes.get(item.name, item.size)) for item in scenario.items)
    )


def one_large(scenario):
    return sized(adjustable_wrench_1=0.1, adjustable_wrench_2=0.95, combination_wrench_1=0.5)(scenario)


def motions(out):
    return [one for one in messages(out / "mission.mcap", "motion") if one["verb"] != "home"]


# fetch_tool and hand_over


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """The largest of two adjustable wrenches, with what the workspace monitor said in every tick."""
    out = tmp_path_factory.mktemp("fetch")
    seen = []
    from vlm_bt import app, settings
    from vlm_bt.cli.run import changed

    chosen = changed(settings.load(), "simulation.kinds", WRENCHES)
    inputs = {"kind": "adjustable wrench", "size": "largest"}
    tree = share_dir("trees") / "fetch_tool.yaml"
    with app.build(chosen, tree, seed=11, human="scripted", inputs=inputs, out=out, lay_out=one_large) as built:
        result = built.run(
            lambda now: seen.append(
                (now.sim_s, built.site.world.arm.phase, built.site.world.monitor.read().ok, built.site.world.taken)
            )
        )
        return result, out, seen, built.site.world.taken


@pytest.mark.timeout(120)
def test_the_largest_wrench_is_fetched_and_a_person_has_it_in_the_end(fetched):
    result, _, _, taken = fetched
    assert (result.outcome, taken, result.handed_over) == ("done", ("adjustable_wrench_2",), 1)
    assert (result.unverified_motions, result.false_motions, result.safe) == (0, 0, True)
    assert result.score["on_floor"] == 0 and sum(result.score.values()) == 2 * result.score["items"]


@pytest.mark.timeout(120)
def test_every_wrench_is_verified_before_the_one_pick_and_nothing_else_is_moved(fetched):
    _, out, _, _ = fetched
    pick, *others = (one for one in motions(out) if one["verb"] == "pick")
    verdicts = [one for one in messages(out / "mission.mcap", "verdict") if one["t"] <= pick["began_s"]]
    assert len({one["object"] for one in verdicts if one["label"] == "adjustable wrench"}) == 2
    assert not others and [one["verb"] for one in motions(out)] == ["pick", "hold_out", "hand_over"]


@pytest.mark.timeout(120)
def test_the_fingers_open_after_the_answer_while_the_person_stands_there_and_the_arm_leaves_after_them(fetched):
    _, out, seen, _ = fetched
    (question,) = [one for one in messages(out / "mission.mcap", "question") if one["topic"] == "hand_over"]
    (reply,) = [one for one in messages(out / "mission.mcap", "reply") if one["id"] == question["id"]]
    gives = [(t, clear) for t, phase, clear, _ in seen if phase == "give"]
    assert reply["text"] == HAS_IT and gives and gives[0][0] >= reply["t"]
    assert not any(clear for _, clear in gives), "the person is in reach when the fingers open"
    moved = [clear for t, phase, clear, _ in seen if t > gives[-1][0] + 0.3 and phase in ("move", "retreat")]
    assert moved and all(moved), "the arm travels only when they have gone"


@pytest.mark.timeout(120)
def test_the_report_says_that_the_wrench_was_handed_to_a_person(fetched):
    assert "handed to a person" in fetched[0].report.read_text()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("human", "outcome"), [("silent", "human_silent"), ("refusing", "no")])
def test_what_nobody_takes_is_put_back_where_it_lay(tmp_path, human, outcome):
    script = tmp_path / "script.yaml"
    script.write_text(f"hand_over: {{anything else: {PUT_IT_BACK}}}\n")
    who = f"scripted:{script}" if human == "refusing" else human
    with mission(tmp_path / "out", kinds=["pliers"], tree="hand_over", human=who) as built:
        began = built.site.truth.positions()[0]
        result = built.run()
        ended = built.site.truth.positions()[0]
    assert (result.outcome, result.handed_over, result.score["on_floor"]) == (outcome, 0, 0)
    assert ended.on_bench and ended.z < 0.03
    assert abs(ended.x - began.x) + abs(ended.y - began.y) < 0.10
    assert [one["verb"] for one in motions(tmp_path / "out")] == ["pick", "hold_out", "place"]


@pytest.mark.timeout(120)
def test_the_scorer_is_not_fooled_by_a_person_who_says_they_have_it_and_does_not(tmp_path):
    with mission(tmp_path, kinds=["pliers"], tree="hand_over") as built:
        built.human.onlooker = lambda question, reply: None
        result = built.run()
    assert result.handed_over == 0 and built.site.world.taken == ()


class Ports(SimpleNamespace):
    """What `HandOver` needs: the real ledger over a scripted arm, and a person whose answer the test gives."""

    def __init__(self):
        super().__init__(clock=CrankClock(), recorder=ListRecorder(), arm_below=TicketArm(), frames={}, asked=[])
        self.ledger = Ledger(self.clock, self.recorder)
        self.arm = VerifiedArm(self.arm_below, self.ledger, self.clock, self.recorder)
        self.human = SimpleNamespace(ask=self.ask)
        self.tool = self.ledger.enter(thing(), "pliers", "person", 0.0)
        self.held = held(self.tool)

    def question(self, text, options, default, timeout_s, topic, **more):
        return Question("question-1", text, options, default, timeout_s, topic, **more)

    def ask(self, question):
        self.asked.append((question, Ticket("ask")))
        return self.asked[-1][1]

    def leaf(self):
        given = {"held": self.held, "answer_within_s": 60.0}
        leaf = HandOver("hand over", self, Binding(given.get, lambda name, value: None))
        leaf.tick_once()
        return leaf

    def answers(self, text, *, silent=False):
        self.asked[-1][1].resolve(Reply("question-1", text, silent, self.clock.now_s))


def test_the_fingers_open_on_a_fresh_yes_and_on_nothing_else():
    ports = Ports()
    ports.ledger.took(ports.held)
    leaf = ports.leaf()
    assert ports.arm_below.told == []
    ports.answers(HAS_IT)
    leaf.tick_once()
    assert ports.arm_below.told == ["release pliers"]
    done(ports.arm_below.tickets[-1])
    leaf.tick_once()
    assert leaf.outcome.ok and ports.ledger.in_hand is None


@pytest.mark.parametrize(
    ("text", "silent", "later_s", "reason"),
    [(PUT_IT_BACK, True, 0, "human_silent"), (PUT_IT_BACK, False, 0, "no"), (HAS_IT, False, 5, "stale")],
)
def test_the_fingers_stay_closed_on_silence_on_a_no_and_on_an_old_answer(text, silent, later_s, reason):
    ports = Ports()
    ports.ledger.took(ports.held)
    leaf = ports.leaf()
    ports.answers(text, silent=silent)
    ports.clock.pass_s(later_s)
    leaf.tick_once()
    assert leaf.outcome.reason == reason and ports.arm_below.told == []
    assert ports.asked[0][0].default == PUT_IT_BACK
    assert ports.ledger.in_hand == ports.held


def test_what_no_verified_pick_put_into_the_hand_is_neither_held_out_nor_released():
    ports = Ports()
    forged = held(VerifiedObject(thing(), "hammer", "verdict-99"))
    for ticket in (ports.arm.hold_out(forged), ports.arm.release(forged)):
        assert ticket.outcome.reason == "unverified"
    assert ports.arm_below.told == [] and ports.arm.refused == 2


def test_an_empty_hand_hands_nothing_over():
    ports = Ports()
    ports.ledger.took(ports.held)
    ports.arm_below.state.gripper_width_m = 0.0
    assert ports.leaf().outcome.reason == "dropped" and not ports.asked


def test_tools_are_ordered_by_measured_length():
    tools = [
        VerifiedObject(replace(thing(), footprint=replace(thing().footprint, length_m=m)), "x", "") for m in (1, 2)
    ]
    lengths = {
        size: min(tools, key=lambda t: order(t, size)).object.footprint.length_m for size in ("largest", "smallest")
    }
    assert lengths == {"largest": 2, "smallest": 1}


@pytest.mark.parametrize(
    ("of", "label", "yes"),
    [
        ("screw", "Phillips screwdriver", False),
        ("screws", "screw", True),
        ("wrench", "adjustable wrench", True),
        ("Phillips screwdrivers", "Phillips screwdriver", True),
        ("", "hammer", True),
    ],
)
def test_a_word_names_a_kind_only_as_a_whole(of, label, yes):
    assert named(of, label) is yes


# count_parts


@pytest.mark.timeout(60)
def test_screwdrivers_are_counted_with_their_split_and_what_lies_in_the_bin_too(tmp_path):
    kinds = ["Phillips screwdriver", "Phillips screwdriver", "flat screwdriver", "screw", "screw"]

    def one_in_the_bin(scenario):
        return scenario.with_item_at("screw_1", 0.46, -0.46)

    said = {}
    for kind in ("screwdriver", "screw"):
        tree = tmp_path / "count_parts.yaml"
        text = (share_dir("trees") / "count_parts.yaml").read_text()
        tree.write_text(text.replace('default: ""', f"default: {kind}"))
        with mission(tmp_path / kind, kinds=kinds, tree=tree, lay_out=one_in_the_bin) as built:
            result = built.run()
        said[kind] = result.closing
        assert (result.outcome, result.motions, result.questions) == ("done", 0, 0)
    assert said == {"screwdriver": "3 screwdrivers: 2 Phillips, 1 flat.", "screw": "2 screws."}


@pytest.mark.parametrize(
    ("counts", "word", "text"),
    [
        ({"Phillips screwdriver": 2, "flat screwdriver": 1}, "screwdriver", "3 screwdrivers: 2 Phillips, 1 flat"),
        ({"pliers": 1, "needle-nose pliers": 1}, "pliers", "2 pliers: 1 needle-nose, 1 plain"),
        ({"hammer": 1, "screw": 2}, "thing", "3 things: 2 screws, 1 hammer"),
        ({"hammer": 1}, "thing", "1 hammer"),
        ({}, "wrench", "no wrenches"),
    ],
)
def test_a_count_is_said_with_its_split(counts, word, text):
    assert split(counts, word) == text


# inspect_and_report


@pytest.mark.timeout(60)
def test_the_bench_is_inspected_with_as_many_questions_as_it_may_ask_and_no_motion(tmp_path):
    kinds = ["T-handle Allen wrench", "multi-tool", "tape measure", "pliers"]
    tree = tmp_path / "inspect_and_report.yaml"
    text = (share_dir("trees") / "inspect_and_report.yaml").read_text()
    tree.write_text(text.replace("default: 2", "default: 1"))
    with mission(tmp_path / "out", kinds=kinds, tree=tree) as built:
        result = built.run()
        count = built.compiled.outputs()["count"]
    assert (result.outcome, result.motions, result.questions) == ("done", 0, 1)
    assert "tape measure" in result.closing and "pliers" in result.closing
    verified = {one["label"] for one in messages(tmp_path / "out" / "mission.mcap", "verdict")}
    assert {"tape measure", "pliers"} <= verified and len(verified) == 3
    assert sum(n for _, n in count.counts) == 3 and count.unsure == 1


# clear_small_parts


@pytest.mark.timeout(120)
def test_loose_screws_go_into_the_bin_and_nothing_else_is_touched(tmp_path):
    with mission(tmp_path, kinds=["screw", "screw", "tape measure"], tree="clear_small_parts") as built:
        result = built.run()
        ends = {one.name: one for one in built.site.truth.score(built._settings.zones()).details}
    assert result.outcome == "done", result.detail
    assert (result.unverified_motions, result.false_motions) == (0, 0)
    assert ends["screw_1"].zone == ends["screw_2"].zone == "parts_bin"
    assert ends["tape_measure_1"].moved_m < 0.005
    assert {one["label"] for one in motions(tmp_path)} == {"screw"}


# watch_and_wait


def late(scenario):
    """A person is there at first, and the screw turns up long after they have left."""
    items = tuple(replace(item, appears_s=8.0 if item.kind == "screw" else 0.0) for item in scenario.items)
    return replace(scenario, items=items, person_visits=((0.0, 2.0),))


@pytest.mark.timeout(60)
def test_what_turns_up_after_a_person_has_left_is_told(tmp_path):
    with mission(tmp_path, kinds=["tape measure", "screw"], tree="watch_and_wait", lay_out=late) as built:
        result = built.run()
    assert (result.outcome, result.motions) == ("done", 0)
    assert result.closing == "Turned up: 1 screw."
    assert 8.0 < result.sim_s < 12.0
    (before,) = [one for one in messages(tmp_path / "mission.mcap", "event") if one["what"] == "scene described"]
    assert before["t"] > 2.0


@pytest.mark.timeout(60)
def test_a_wait_for_something_that_never_comes_ends_at_its_limit(tmp_path):
    tree = tmp_path / "watch_and_wait.yaml"
    tree.write_text((share_dir("trees") / "watch_and_wait.yaml").read_text().replace("after_s: 600", "after_s: 5"))
    with mission(tmp_path / "out", kinds=["tape measure"], tree=tree) as built:
        result = built.run()
    assert result.outcome == "timed_out" and 5.0 < result.sim_s < 8.0
