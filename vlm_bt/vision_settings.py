"""Which models a mission sees through: one entry of `vision.models` in `config/` for each, checked by pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vlm_bt.questions import NAMES

Device = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?|xpu(:\d+)?)$")]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Quantisation = Literal["none", "bitsandbytes-8bit", "bitsandbytes-4bit", "torchao-int8", "torchao-int4"]
Attention = Literal["auto", "eager", "sdpa", "flash_attention_2"]
Runtime = Literal["torch", "onnxruntime", "openvino"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class AnyModel(Strict):
    """What every model has.

    Attributes:
        batch_at_most: Questions that run together at most; fewer after the memory has run out.
        patience_s: Wall time without progress after which the process is taken for hung, killed and started again.
        start_within_s: Wall time that loading may take.
        latency_s: In simulation, how long an answer takes on the mission's clock; by type of question if not given.
        calibration: File of the model's calibration; without one nothing is surer than unsure.
        sure_above: In a cascade, an uncalibrated answer counts as sure from this probability on.
    """

    threads: int = Field(1, ge=1, le=64)
    batch_at_most: int = Field(64, ge=1)
    patience_s: float = Field(60.0, gt=0)
    start_within_s: float = Field(300.0, gt=0)
    latency_s: float | None = Field(None, gt=0)
    calibration: Path | None = None
    sure_above: float = Field(0.9, gt=0, le=1)


class EmbeddedModel(AnyModel):
    """The model that ships with the package. `weights`: another folder that `vlm-bt train embedded` made."""

    backend: Literal["embedded"] = "embedded"
    weights: Path | None = None


class Checkpoint(AnyModel):
    """A model from a hub or a folder.

    Attributes:
        checkpoint: A folder, or a hub's name such as "google/owlv2-base-patch16-ensemble".
        model_revision: Commit of the hub's repository; required for a hub's name, because a name alone can change.
        sha256: By file name, what the files must be; files that are not listed are recorded, not compared.
        cache: Folder of the local hub cache, if not the usual one.
    """

    checkpoint: str
    model_revision: str | None = None
    sha256: dict[str, str] = {}
    cache: Path | None = None
    device: Device = "auto"
    dtype: Dtype = "auto"
    quantisation: Quantisation = "none"
    attention: Attention = "auto"
    compile: bool = False
    memory_gb: float | None = Field(None, gt=0)
    """The most that the model may take; what is free on the device if not given."""


class OpenClipModel(Checkpoint):
    """Any architecture of open_clip. `checkpoint`: "ViT-B-32/laion2b_s34b_b79k" (architecture / pretrained tag),
    "hf-hub:ORG/NAME" or "local-dir:FOLDER"."""

    backend: Literal["open_clip"]
    proposals: Literal["depth", "grid"] = "depth"
    runtime: Runtime = "torch"


class DetectionModel(Checkpoint):
    """OWLv2, Grounding DINO or MM-Grounding-DINO through transformers; `masks`: a SAM2 checkpoint."""

    backend: Literal["detection"]
    text_threshold: float = Field(0.25, ge=0, le=1)
    masks: str | None = None
    masks_revision: str | None = None


class ChatModel(Checkpoint):
    """A chat model that sees, through transformers (Qwen3-VL, SmolVLM, LLaVA-OneVision, InternVL, Florence-2 ...)."""

    backend: Literal["chat"]
    new_tokens: int = Field(128, ge=1, le=4096)
    longest_edge: int | None = Field(None, ge=32)
    """Pictures are shrunk to it before the model sees them."""


class Privacy(Strict):
    """What may leave the machine. Everything that is not allowed here is masked before a picture is sent."""

    send: Literal["region", "frame"] = "region"
    """`region`: only what the question is about; everything else is grey. `frame`: the whole picture."""
    mask_people: bool = True
    mask_faces: bool = True
    longest_edge: int = Field(768, ge=64, le=4096)
    allow_text: bool = True
    """Free text of a person (a claim, a phrase) may be sent."""


class RemoteModel(AnyModel):
    """Any OpenAI-compatible endpoint: vLLM, SGLang, Ollama, llama.cpp, hosted models."""

    backend: Literal["openai"]
    model: str
    base_url: str
    allow_remote: bool = False
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the key itself never stands in a file."""
    structured: Literal["json_schema", "json_object", "text"] = "json_schema"
    logprobs: bool = True
    new_tokens: int = Field(256, ge=1, le=4096)
    request_timeout_s: float = Field(30.0, gt=0)
    tries: int = Field(2, ge=1, le=10)
    at_once: int = Field(4, ge=1, le=64)
    privacy: Privacy = Privacy()  # type: ignore[call-arg]


class LangchainModel(AnyModel):
    """Any LangChain chat model by name, such as "openai:gpt-4o" or "ollama:llava"."""

    backend: Literal["langchain"]
    model: str
    base_url: str | None = None
    allow_remote: bool = False
    api_key_env: str | None = None
    options: dict[str, str | int | float | bool] = {}
    request_timeout_s: float = Field(30.0, gt=0)
    tries: int = Field(2, ge=1, le=10)
    at_once: int = Field(4, ge=1, le=64)
    privacy: Privacy = Privacy()  # type: ignore[call-arg]


class ScriptedModel(AnyModel):
    """Answers from a file, for tests, demonstrations and fault injection."""

    backend: Literal["scripted"]
    script: Path


ModelChoice = Annotated[
    EmbeddedModel | OpenClipModel | DetectionModel | ChatModel | RemoteModel | LangchainModel | ScriptedModel,
    Field(discriminator="backend"),
]
Route = str | tuple[str, ...]


class VisionSettings(Strict):
    """The models, and which of them answers what.

    Attributes:
        models: By a name of the author's choice; each runs in a process of its own.
        route: A model's name, a list of names (the next is asked only where the one before is unsure), or one of
            these for each type of question with "default" for the rest. The first of `models` if not given.
        error_rate: How often a sure answer may be wrong.
        waiting_at_most: Questions that wait for one model; more are refused as `busy`, least urgent first.
        cache: Answers kept for the same pixels and question; 0 keeps none.
        offline: Nothing is fetched from a hub; what is not on this machine is an error.
    """

    models: dict[str, ModelChoice] = {"shipped": EmbeddedModel()}  # type: ignore[call-arg]
    route: Route | dict[str, Route] = ()
    error_rate: float = Field(0.01, gt=0, lt=0.5)
    waiting_at_most: int = Field(256, ge=1)
    cache: int = Field(512, ge=0)
    offline: bool = True

    @model_validator(mode="after")
    def _names_exist(self) -> VisionSettings:
        if not self.models:
            raise ValueError("models: name at least one")
        table = self.route if isinstance(self.route, dict) else {"default": self.route}
        for question, route in table.items():
            if question != "default" and question not in NAMES:
                raise ValueError(f"route: no question is called {question!r}; there are: {', '.join(NAMES)}, default")
            for name in (route,) if isinstance(route, str) else route:
                if name not in self.models:
                    raise ValueError(
                        f"route: {question}: no model is called {name!r}; there are: {', '.join(self.models)}"
                    )
        return self

    def route_of(self, question: str) -> tuple[str, ...]:
        """Names of the models that are asked in turn; `question` as in `vlm_bt.questions.NAMES`."""
        table = self.route if isinstance(self.route, dict) else {"default": self.route}
        route = table.get(question, table.get("default", ()))
        return ((route,) if isinstance(route, str) else route) or (next(iter(self.models)),)
