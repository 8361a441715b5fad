"""Every tiny tree of `test/trees` on the real leaves, in the simulation: what the scripted stand-ins cannot show."""

from pathlib import Path

import pytest
from missions import mission

from vlm_bt.types import REASONS

TINY = sorted((Path(__file__).parent / "trees").glob("*.yaml"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("tree", TINY, ids=lambda path: path.stem)
def test_a_tiny_tree_ends_with_a_known_outcome_and_the_arm_at_rest(tree, tmp_path):
    with mission(tmp_path, kinds=["tape measure"], tree=tree, mission__time_limit_s=90.0) as built:
        result = built.run()
    assert result.outcome in REASONS and result.outcome not in ("unverified", "timed_out"), result.detail
    assert result.safe and result.unverified_motions == 0 and result.false_motions == 0
