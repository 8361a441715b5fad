"""What an OpenAI-compatible server understands of a request; servers refuse what they do not know with 400 or 422."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from vlm_bt.vision.backends.remote_answers import Form

Structured = Literal["json_schema", "json_object", "text"]


@dataclass(frozen=True)
class Dialect:
    """Which parts of the protocol are used.

    Attributes:
        structured: How the answer's form is asked for. top: alternatives of each token; 0: no log-probabilities.
        limit: What the limit of new tokens is called. temperature: whether it may be set.
    """

    structured: Structured
    top: int = 20
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True

    def arguments(self, form: Form, new_tokens: int) -> dict[str, Any]:
        """Of `chat.completions.create`, besides model and messages."""
        made: dict[str, Any] = {self.limit: new_tokens}
        if self.temperature:
            made["temperature"] = 0.0
        if self.structured == "json_schema":
            schema = {"name": "answer", "strict": True, "schema": dict(form.schema)}
            made["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.structured == "json_object":
            made["response_format"] = {"type": "json_object"}
        if self.top and form.prompt.answers:
            made |= {"logprobs": True, "top_logprobs": self.top}
        return made

    def simpler(self, complaint: str) -> Dialect | None:
        """What to try after a refusal; None where nothing is left to leave out."""
        said = complaint.lower()
        if "logprob" in said and self.top:
            return replace(self, top=5 if self.top > 5 else 0)
        if "max_completion_tokens" in said and self.limit == "max_tokens":
            return replace(self, limit="max_completion_tokens")
        if "temperature" in said and self.temperature:
            return replace(self, temperature=False)
        if self.structured == "json_schema":
            return replace(self, structured="json_object")
        if self.structured == "json_object":
            return replace(self, structured="text")
        return replace(self, top=0) if self.top else None
