"""Every leaf that a skill card may name."""

from collections.abc import Mapping

from vlm_bt.leaves.asking import AskAbout, AskGroup, AskHuman, ClassifyTool, SetAside
from vlm_bt.leaves.leaf import Leaf
from vlm_bt.leaves.moving import GoHome, HoldStill, Pick, Place
from vlm_bt.leaves.seeing import CountItems, DescribeScene, EverythingIsSorted, FindNextTool, VerifyScene
from vlm_bt.leaves.verifying import CheckHand, CheckPlaced, LocateAgain, VerifyGrounding
from vlm_bt.leaves.watching import WorkspaceIsClear
from vlm_bt.leaves.writing import WriteReport

LEAVES: Mapping[str, type[Leaf]] = {
    leaf.__name__: leaf
    for leaf in (
        AskAbout,
        AskGroup,
        AskHuman,
        CheckHand,
        CheckPlaced,
        ClassifyTool,
        CountItems,
        DescribeScene,
        EverythingIsSorted,
        FindNextTool,
        GoHome,
        HoldStill,
        LocateAgain,
        Pick,
        Place,
        SetAside,
        VerifyGrounding,
        VerifyScene,
        WorkspaceIsClear,
        WriteReport,
    )
}
