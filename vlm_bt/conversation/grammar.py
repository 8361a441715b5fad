"""The closed grammar: patterns over sentences in which every thing named stands as THING; the first that fits wins."""

from __future__ import annotations

import re

from vlm_bt.conversation.examples import Intent

THING = "THING"
_MOVE = (
    "put|stick|place|lay|move|sort|store|group|bring|take"
    "|file|add|keep|throw|drop|arrange|set|treat|count|carry|tidy|stow"
)
_TO = "with|to|into|in|among|under|by|beside|onto|on|as|together|alongside"
_HANDLE = "touch|move|take|pick|sort|put|grab|handle|bother|remove|clear|grip|lift"
_GIVE = "get|fetch|bring|hand|give|pass|reach|grab|lend|throw|toss|deliver|get hold of"
_GO_ON = (
    "resume|continue|proceed|carry on|go on|go ahead|keep going"
    "|keep working|keep on|work on|move on|back to (?:work|it)|start again"
    "|off you go|unpause|keep at it|get going|go for it"
)

PATTERNS: tuple[tuple[Intent, str], ...] = (
    ("status", r"^why (are|do) you (wait\w*|not mov\w+|stand\w*|stopped)\b"),
    ("why", r"^(but )?why\b|\bhow come\b|\breasons?\b|\bexplain\b|\bwhat made you\b"),
    ("why", r"^what (was|is|did you|have you)\b(?!.*\b(take|took|call)\b).* for$"),
    ("why", r"\b(tell me|understand|know|see|wonder) why\b|\b(purpose|sense) of\b|\bwhat led you\b"),
    ("help", r"^help( me)?$|^i need help|\b(can|may|could|should|must|do) i (say|ask|tell|talk|speak|command|use)\b"),
    ("help", r"\bhelp me$|\bam i allowed to\b|^how do you work$|^(the |some )?instructions$|^(show|need|"
              r"some) help\b|\bsome help\b"),
    ("help", r"\bwhat to say\b|\bcommands?\b|\boptions\b|\byou understand\b|\b(can|could) you do\b|"
              r"\bhow does THING work\b"),
    ("forget", r"^(i )?(undo|revoke|scratch|strike|retract|take back)\b|^forget( THING| everything| it all)?$"),
    ("forget", r"\b(forget|ignore|disregard|cancel|delete|undo|revoke|mind) (about )?(what|the last|"
                r"everything|all|the fact)\b"),
    ("forget", r"\btake (THING|what i said|my words?) back\b|\bi (was|am|have been) (wrong|mistaken)\b|"
                r"\bmy mistake\b"),
    ("forget", r"\b(a|my) mistake\b|\bnot mean (THING|what)\b|\bwhat i said (was|is) (wrong|false)\b"),
    ("forget", rf"^(?!.*\bnot\b).*\b({_HANDLE}) THING (up )?(again|after all)\b|\bTHING may be (moved|touched|"
                r"taken)\b"),
    ("forget", r"\bchanged my mind\b|\b(drop|remove|reverse) (THING|the fact|that fact|the last)\b(?! (on|in|"
                r"at|to))|\bwhat i (said|told you) (was|is) not\b"),
    ("facts", r"^(the )?facts$|\b(what|which|list|show|tell|say|everything)\b(?!.*THING).*\b(know|remember|"
               r"learnt?|learned|facts?)\b"),
    ("facts", r"\b(what|which|list|everything|all|things)\b(?!.*THING).*\b(i|been|people) (have |"
               r"had )?(told?|tell|said|say)\b"),
    ("leave", rf"\b(not|never|need not|without) (have to |want you to |\w+ing )?({_HANDLE})\w*\b.*THING"),
    ("leave", r"(?<!not )\b(leave|skip|spare) (out )?THING\b|\blet THING (lie|be|stay|rest|alone|there)\b|"
               r"^not THING$"),
    ("leave", r"\b(hands|fingers|keep|stay) (your hands |your fingers |well )?(off|away|clear|out)( from|"
               r" of)? THING"),
    ("leave", r"\bTHING (should |can |must |may |has to |have to |shall |will )?(just )?(stays?|remains?|"
               r"be left|is not to be)\b"),
    ("leave", r"\bTHING (is|are) off limits\b|\b(want|need|like) THING to (stay|remain|be left|lie)\b"),
    ("leave", r"\bignore THING\b|\bkeep THING (where|there|here)\b"),
    ("count", r"\bhow many\b.*THING|\b(number|count|amount|total) of THING|\bcount (up |out )?THING|"
               r"\b(there|we|you)( got)? any THING"),
    ("put_with", rf"^(?!.*\b(what|which|where|why)\b).*\b({_MOVE}) (up )?THING (\w+ )?({_TO})\b.*THING"),
    ("put_with", r"^(?!what|which|where|why|is|are).*THING (goes|go|belongs?|should|has to|have to|is to|"
                  rf"are to|is one of|counts?)\b.*\b({_TO}|of)\b.*THING"),
    ("put_with", rf"\b(want|would like|make) THING (a part |part )?({_TO}|of) THING"),
    ("where", r"\b(whereabouts|position of|location of|place of)\b.*THING|\b(lost|misplaced|point (out|to|"
               r"at)) THING"),
    ("where", r"^(?!.*\b(leave|stay|put|start)\b(?<!you put)(?<!i put)).*\bwhere\b.*THING|\bwhere (did|"
               r"have) (you|i) put THING"),
    ("where", r"\b(which|what) (section|zone|place|side|area|part|bin|group)\b.*THING|\bwhat happened to THING"),
    ("where", r"\b(find|locate|looking for|look for|see|seen|spot|searching for|search for) THING\b|^show me THING$"),
    ("fetch", rf"\b({_GIVE}) (me )?(over )?(one of )?THING( over)?( to me| for me)?$|\b({_GIVE}) THING.*\bme\b"),
    ("fetch", r"\bi (still |really )?(need|want|require|could use|would like)( to have|"
               r" to get)? THING(?! to\b)|\bin need of THING|\bi will (have|take) THING|\b(can|may|could|let|"
               r"shall) (i|me) (have|get|borrow|use|take) THING"),
    ("what", r"\bhow (sure|certain|confident) (are|is)\b|\b(sure|certain) what THING\b|^is THING THING$"),
    ("what", r"\b(name|identify|recogni[sz]e) THING\b|\bwhat (might|could|would|can|may) THING be\b"),
    ("what", r"^(?!.*\b(doing|working|happening|going|up to)\b).*\b(what|which)\b.*\b(hold|holding|picked|"
              r"got|hand|gripper|carry|carrying)\b"),
    ("what", r"\b(what|which)\b( \w+){0,2} (is|are|was|were) THING( THING)?( that)?( you \w+)*$|\b(what|"
              r"which)\b.* (think|take|call|named?|say) THING"),
    ("what", r"\b(what|which) THING (is|are|was)$|\b(what|which) (kind|type|sort)\b.*THING|\b(know|tell me|"
              r"say) what THING\b"),
    ("what", r"\bwhat (do|can) you (know|say|tell me) (about|of) THING"),
    ("status", r"\bwhat\b.*\b(doing|up to|going on|happening|working on|waiting for|next|left to do)\b"),
    ("status", r"\bhow (far|long|much|is (THING|everything|the work)|are things)\b|\b(progress|status|update|"
                r"report)\b"),
    ("status", r"^(are|is|when)\b.*\b(done|finished|ready|complete|through)\b|\b(which|what) step\b|"
                r"^where are you\b"),
    ("status", r"\b(have|are|is) (you|we|everything|all|the work)\b.*\b(done|finished|there|ready|through)\b|"
                r"\b(your|current|which) (task|job)\b"),
    ("status", r"^anything new\b|\bhow many (minutes|hours|seconds)\b|\bwhat is (the matter|wrong|up|new)\b|"
                r"\byou busy\b"),
    ("pause", r"^(let me (have a look|look|check|think|see)|freeze for|hold your \w+|take (five|ten))\b|"
               r"\buntil i am back\b"),
    ("pause", r"^(no )?(pause|wait|hang on|stand by|hold on|hold still|be still|keep still|stand back|"
               r"slow down)\b(?!.*THING)"),
    ("pause", r"^(no )?(hold|pause|stay|wait)( THING| your (arm|hand|position))?( there| here|"
               r" where you are)?( still)?( (for|a|one|two|few|some|moment|minute|second|sec|while|bit|"
               r"time))*$"),
    ("pause", r"^(give me |(for )?(just )?)?(a|one|two|half a|a few|some)( little| short)? (moment|minute|"
               r"second|sec|while|time)s?$"),
    ("pause", r"\b(take|have|make|need) (\w+ ){0,2}(break|pause|rest)\b|\b(can|could|would) you (pause|wait|"
               r"hold)\b|^stay where you are\b"),
    ("resume", rf"^(?!.*\b(not|never|what|why|when|how|who|until|without)\b).*\b({_GO_ON})\b"),
)  # fmt: skip
"""In order of precedence. Only words that mean but one thing here stand in a pattern; the rest is left to likeness."""
_COMPILED = tuple((intent, re.compile(pattern)) for intent, pattern in PATTERNS)


def parse(masked: str) -> Intent | None:
    """The intent whose pattern fits a sentence of plain words; None where none does."""
    return next((intent for intent, pattern in _COMPILED if pattern.search(masked)), None)
