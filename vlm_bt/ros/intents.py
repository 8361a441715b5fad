"""What a person may say to a mission without being asked: a closed set. Stop words are matched exactly and first."""

from __future__ import annotations

_STOP = ("stop", "stop it", "stop now", "stop moving", "stop the robot", "stop everything", "stop that", "please stop")
_OTHERS = ("no stop", "halt", "abort", "freeze", "emergency", "emergency stop", "quit", "cancel", "hands off")
STOP_WORDS = (*_STOP, *_OTHERS)
INTENTS = {
    "pause": ("pause", "wait", "hold on", "hold", "hold still", "one moment", "wait a moment", "just a moment"),
    "resume": ("resume", "continue", "go on", "carry on", "go ahead", "proceed"),
    "status": ("status", "what are you doing", "how far are you", "where are you", "what is going on"),
}
MAY_BE_SAID = ("stop", *INTENTS)
LONGEST = 200


def intent_of(text: str) -> str | None:
    """ "stop", "pause", "resume", "status"; None where nothing fits."""
    said = _plain(text)
    if said in STOP_WORDS or (said and set(said.split()) == {"stop"}):
        return "stop"
    said = said.removeprefix("please ").removesuffix(" please")
    return next((intent for intent, phrases in INTENTS.items() if said in phrases), None)


def _plain(text: str) -> str:
    """Lower case, words with single spaces, no punctuation; what is too long is nothing that was meant as a word."""
    if len(text) > LONGEST:
        return ""
    kept = "".join(sign if sign.isalnum() or sign.isspace() else " " for sign in text.casefold())
    return " ".join(kept.split())
