"""What of BehaviorTree.CPP 4 has an equal here, and what to do about what has none.

The nodes, their ports and defaults are those that its factory registers (BehaviorTree.CPP 4, `src/bt_factory.cpp`).
"""

from __future__ import annotations

from collections.abc import Mapping

NO_EQUAL: Mapping[str, str] = {
    "SequenceWithMemory": "Here a sequence that failed begins anew; put what must not be done twice under `once`.",
    "SequenceStar": "Here a sequence that failed begins anew; put what must not be done twice under `once`.",
    "ParallelAll": "`parallel` ends as soon as it is decided; it has no way to wait for the rest.",
    "IfThenElse": "Use `match`: do is the condition, and each outcome names what follows.",
    "WhileDoElse": "Use `guard`: while, do and otherwise.",
    "TryCatch": "Use `match`, which names the outcomes it handles.",
    "KeepRunningUntilFailure": "Use `repeat` with until and at_most: every loop here has an end.",
    "RunOnce": "`once` is near: it does not repeat what has succeeded, and tries again what has failed.",
    "Script": "Nothing is evaluated here. `set` gives a variable a value; what computes belongs in a leaf.",
    "ScriptCondition": "Nothing is evaluated here. A leaf decides, and `match` names its outcomes.",
    "Precondition": "Use `guard`, or `match` on the outcome of a skill.",
    "UnsetBlackboard": "Variables here are written before they are read, and end with their tree.",
    "ManualSelector": "A person decides through ask_human, and `match` names the answers.",
    "WasEntryUpdated": "A leaf that looks again says what has changed.",
    "SkipUnlessUpdated": "A leaf that looks again says what has changed.",
    "WaitValueUpdate": "A leaf waits for its ticket, with a timeout_s.",
    "ConsumeQueue": "Use `for_each` over a list.",
    **{f"Switch{count}": "Use `match`: each outcome names what follows." for count in range(2, 7)},
    **{f"Loop{kind}": "Use `for_each` over a list." for kind in ("Int", "Bool", "Double", "String")},
}
"""Built-in nodes without an equal, with the nearest that there is."""

CONDITIONS: Mapping[str, str] = {
    **dict.fromkeys(("_skipIf", "_successIf", "_failureIf"), "Use `match` on the outcome of a skill."),
    "_while": "Use `guard`: while, do and otherwise.",
    **dict.fromkeys(
        ("_onSuccess", "_onFailure", "_onHalted", "_post"), "Nothing is evaluated here. Use `match` and `set`."
    ),
}
"""Scripts that stand in attributes of any node."""

QUIET = ("_uid", "_fullpath", "_description", "_collapsed", "_autoremap", "name", "ID")
"""Attributes that are no ports."""

TYPES: Mapping[str, str] = {
    **dict.fromkeys(("std::string", "string", "BT::StringView", "const char*"), "text"),
    **dict.fromkeys(("int", "unsigned", "unsigned int", "double", "float", "long", "size_t"), "number"),
    **{f"{sign}int{bits}_t": "number" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "bool": "boolean",
    **dict.fromkeys(("std::vector<std::string>", "std::vector<std::string, std::allocator<std::string>>"), "texts"),
}
"""C++ types of ports that are types here."""
