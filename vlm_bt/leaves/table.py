"""Every leaf that a skill card may name."""

from collections.abc import Mapping

from vlm_bt.leaves.asking import AskAbout, AskGroup, AskHuman, ClassifyTool, SetAside
from vlm_bt.leaves.changes import NoticeChanges
from vlm_bt.leaves.counting import VerifyCount
from vlm_bt.leaves.finding import ChooseBySize, FindTools
from vlm_bt.leaves.grounding import GroundPhrase
from vlm_bt.leaves.handing import HandOver, HoldOut, PutBack
from vlm_bt.leaves.handled import VerifyInHand, VerifyPlaced
from vlm_bt.leaves.judging import ChooseAnswer, CompareViews, CountSeen, JudgeClaim
from vlm_bt.leaves.leaf import Leaf
from vlm_bt.leaves.moving import GoHome, HoldStill, Pick, Place
from vlm_bt.leaves.planning import AskToCollect, NoticeWhatTurnedUp, PlanBench
from vlm_bt.leaves.seeing import DescribeScene, EverythingIsSorted, FindNextTool, VerifyScene
from vlm_bt.leaves.showing import RememberView
from vlm_bt.leaves.strayed import FollowPushed, LocatePlaced
from vlm_bt.leaves.telling import DescribeThing, DescribeView, ReadWriting
from vlm_bt.leaves.verifying import LocateAgain, VerifyGrounding
from vlm_bt.leaves.watching import ArmIsWell, MayAsk, SomethingNew, WorkspaceIsClear
from vlm_bt.leaves.writing import WriteReport

LEAVES: Mapping[str, type[Leaf]] = {
    leaf.__name__: leaf
    for leaf in (
        ArmIsWell,
        AskAbout,
        AskGroup,
        AskHuman,
        AskToCollect,
        ChooseAnswer,
        ChooseBySize,
        ClassifyTool,
        CompareViews,
        CountSeen,
        DescribeScene,
        DescribeThing,
        DescribeView,
        EverythingIsSorted,
        FindNextTool,
        FindTools,
        FollowPushed,
        GoHome,
        GroundPhrase,
        HandOver,
        HoldOut,
        HoldStill,
        JudgeClaim,
        LocateAgain,
        LocatePlaced,
        MayAsk,
        NoticeChanges,
        NoticeWhatTurnedUp,
        Pick,
        Place,
        PlanBench,
        PutBack,
        ReadWriting,
        RememberView,
        SetAside,
        SomethingNew,
        VerifyCount,
        VerifyGrounding,
        VerifyInHand,
        VerifyPlaced,
        VerifyScene,
        WorkspaceIsClear,
        WriteReport,
    )
}
