"""The rules of the checker, by name, and which of them an author may silence on one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What a rule asks for.

    Attributes:
        silent: It is advice: an author who knows better may say so on the line, with a reason. What keeps a claim from
            the arm, or a tree from failing when it runs, can't be silenced.
    """

    help: str
    silent: bool = False


RULES: Mapping[str, Rule] = {
    # the file
    "file": Rule("the file is there, can be read and is not too large"),
    "encoding": Rule("the file is UTF-8 text"),
    "syntax": Rule("the file is one YAML document"),
    "alias": Rule("no anchors and aliases"),
    "tag": Rule("no tags"),
    "depth": Rule("nested at most so deep"),
    "key": Rule("a key is a word"),
    "duplicate-key": Rule("no key stands twice"),
    "version": Rule("the file is of a version that this program reads"),
    "include": Rule("an included folder lies beside the file or is a configured one"),
    "secret": Rule("no passwords, keys or tokens in a file", silent=True),
    "absolute-path": Rule("no paths of one machine in a file", silent=True),
    "xml": Rule("a file of BehaviorTree.CPP is the XML of a tree"),
    "no-equal": Rule("every node of a tree of BehaviorTree.CPP has an equal here"),
    "silence": Rule("'# check: allow RULE because REASON' names a rule that may be silenced, and silences something"),
    # the words
    "tree": Rule("a tree file is a mapping of tree, root and what goes with them"),
    "card": Rule("a skill card is a mapping with a leaf or a tree"),
    "node": Rule("a node is one skill or one block"),
    "block": Rule("a block is written as its form says"),
    "arguments": Rule("the arguments of a skill stand by name"),
    "name": Rule("names are small letters, digits and _, and no words of the language"),
    "missing-key": Rule("nothing that is needed is left out"),
    "unknown-key": Rule("no key that nothing reads"),
    "unknown-skill": Rule("every skill has a card"),
    "duplicate-skill": Rule("a skill stands in one folder"),
    "recursion": Rule("no skill contains itself"),
    "unknown-input": Rule("a skill is given only what it takes"),
    "missing-input": Rule("a skill is given all that it needs"),
    "unknown-outcome": Rule("outcomes are those that there are"),
    "match": Rule("a match names an outcome"),
    "example": Rule("a card's example calls its skill as it is"),
    # variables and types
    "type": Rule("every value is of the type that is asked for"),
    "variable": Rule("variables are written $name or $name.field"),
    "unknown-variable": Rule("something writes every variable that is read"),
    "unknown-field": Rule("a field is one that the type has"),
    "read-before-written": Rule("a variable is written on every way to where it is read"),
    "output-not-set": Rule("an output is written on every way to the end"),
    # trust and motion
    "trust": Rule("no claim reaches a motion"),
    "unguarded-motion": Rule("every motion stands under a guard"),
    "guard-waits": Rule("the condition of a guard answers at once"),
    "guard-moves": Rule("the condition of a guard moves nothing"),
    "insecure-restart": Rule("before a motion begins anew, what the arm holds is put down"),
    "parallel-motion": Rule("two branches of a parallel do not both move the arm"),
    "parallel-write": Rule("two branches of a parallel do not write one variable", silent=True),
    "wait-without-limit": Rule("what waits has a time limit"),
    "loosened": Rule("cards and trees only tighten what the code of a leaf says"),
    "unknown-leaf": Rule("a card names a leaf that there is"),
    "foreign-leaf": Rule("a leaf from outside is allowed by name"),
    # dead parts
    "unreachable": Rule("some run gets to every node", silent=True),
    "dead-branch": Rule("a branch is for an outcome that can be", silent=True),
    "endless-repeat": Rule("a repeat can come to its end", silent=True),
}

FOLLOWING = frozenset({"read-before-written", "output-not-set", "unknown-variable", "unreachable", "dead-branch"})
"""Rules whose findings may only follow from another mistake, such as a misspelt output."""
