"""Every tiny tree of `test/trees` on the real leaves, in the simulation: what the scripted stand-ins cannot show."""

from pathlib import Path

import pytest
from missions import mission

from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import vocabulary
from vlm_bt.types import REASONS

TINY = sorted((Path(__file__).parent / "trees").glob("*.yaml"))
ENDS = {"read_text": ("done",), "compare_views": ("no",)}
"""Of trees that ask what the shipped model does not answer: a scripted one does."""
CARDS = {card.name: card for card in vocabulary(LEAVES)}
SCRIPT = """
answers: [read_text, is_true]
rules:
  - lines: ["PUT ME <b>LEFT</b>", "10 mm"]
    p_yes: 0.04
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("tree", TINY, ids=lambda path: path.stem)
def test_a_tiny_tree_ends_with_a_known_outcome_and_the_arm_at_rest(tree, tmp_path):
    models = {}
    if tree.stem in ENDS:
        (tmp_path / "script.yaml").write_text(SCRIPT)
        stand_in = {"backend": "scripted", "script": tmp_path / "script.yaml"}
        route = {"default": "shipped", "read_text": "stand-in", "is_true": "stand-in"}
        models = {"vision__models": {"shipped": {"backend": "embedded"}, "stand-in": stand_in}, "vision__route": route}
    with mission(tmp_path, kinds=["tape measure"], tree=tree, mission__time_limit_s=90.0, **models) as built:
        result = built.run()
        asked = [(row["skill"], row["model"], row["question"]) for row in built.vision.metrics.plain()]
    assert result.outcome in ENDS.get(tree.stem, REASONS) and result.outcome not in ("unverified", "timed_out"), (
        result.detail
    )
    assert result.safe and result.unverified_motions == 0 and result.false_motions == 0
    for skill, model, question in asked:
        leaf = CARDS[skill].leaf
        assert leaf is not None, "questions are asked in the name of the skill"
        assert model == "geometry" or question in [known.__name__ for known in leaf.asks]
