"""How good a model is, and whether its confidence means something: suites of questions about staged scenes."""

from collections.abc import Mapping

from vlm_bt.evaluation.changes import CHANGES
from vlm_bt.evaluation.claims import CLAIMS
from vlm_bt.evaluation.classification import CLASSIFICATION
from vlm_bt.evaluation.counting import COUNTING
from vlm_bt.evaluation.covering import COVERING
from vlm_bt.evaluation.grounding import GROUNDING
from vlm_bt.evaluation.latency import LATENCY
from vlm_bt.evaluation.refusal import REFUSAL
from vlm_bt.evaluation.relations import RELATIONS
from vlm_bt.evaluation.suite import Suite
from vlm_bt.evaluation.sweeps import SWEEPS
from vlm_bt.evaluation.writing import WRITING

SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        *(GROUNDING, CLASSIFICATION, COUNTING, CLAIMS, RELATIONS, CHANGES),
        *(REFUSAL, WRITING, SWEEPS, COVERING, LATENCY),
    )
}
"""Every suite on staged scenes, by its name on the command line."""
