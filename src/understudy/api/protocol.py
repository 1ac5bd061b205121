"""Protocol: what requests may hold, in OpenAI's shapes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

__all__ = [
    "DistillationBody",
    "ChatMessage",
    "ChatRequest",
    "DistillationHyperparameters",
    "Hyperparameters",
    "JobRequest",
    "PreferenceHyperparameters",
    "ScoreRequest",
    "StreamOptions",
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _fault(code: str, message: str, param: str | None = None) -> PydanticCustomError:
    """A fault whose OpenAI code and place are given rather than derived."""
    quoted = message.replace("{", "{{").replace("}", "}}")
    return PydanticCustomError("request", quoted, {"code": code, "param": param})


# --- fine-tuning jobs -------------------------------------------------------------------------


def _metadata(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if len(value) > 16:
        raise _fault(
            "object_above_max_properties",
            f"Invalid 'metadata': too many properties. Expected at most 16, but got {len(value)} instead.",
        )
    for key, item in value.items():
        if len(key) > 64:
            raise _fault(
                "property_name_above_max_length",
                f"Invalid property name in 'metadata': '{key[:40]}...' is too long. Expected at most "
                f"64 characters, but got {len(key)} instead.",
            )
        if isinstance(item, str) and len(item) > 512:
            raise _fault(
                "string_above_max_length",
                f"Invalid 'metadata.{key}': string too long. Expected at most 512 characters, "
                f"but got {len(item)} instead.",
                f"metadata.{key}",
            )
    return value


Metadata = Annotated[dict[str, str], BeforeValidator(_metadata)]


def _number(low: float, high: float, *, whole: bool, open_low: bool = False) -> Any:
    """A validator for ``"auto"`` or a number between two bounds."""

    def check(value: Any) -> Any:
        if value == "auto" or value is None:
            return value
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            word = "an integer" if whole else "a number"
            raise _fault(
                "invalid_type", f"Invalid type: expected 'auto' or {word}, but got {value!r} instead."
            )
        kind = "integer" if whole else "decimal"
        if value > high:
            raise _fault(
                f"{kind}_above_max_value",
                f"Invalid value: {kind} above maximum value. Expected a value <= {high:g}, "
                f"but got {value} instead.",
            )
        if value < low or (open_low and value <= low):
            raise _fault(
                f"{kind}_below_min_value",
                f"Invalid value: {kind} below minimum value. Expected a value "
                f"{'>' if open_low else '>='} {low:g}, but got {value} instead.",
            )
        return value

    return BeforeValidator(check)


class Hyperparameters(_Request):
    """How a supervised job learns. ``"auto"`` leaves the choice to the server.

    ``lora_rank``, ``lora_alpha``, ``max_tokens`` and ``quantization`` are extensions of this server.
    """

    n_epochs: Annotated[Any, _number(1, 50, whole=True)] = "auto"
    batch_size: Annotated[Any, _number(1, 256, whole=True)] = "auto"
    learning_rate_multiplier: Annotated[Any, _number(0, 1e6, whole=False, open_low=True)] = "auto"
    lora_rank: Annotated[int | None, Field(ge=1, le=512)] = None
    lora_alpha: Annotated[float | None, Field(gt=0, le=4096)] = None
    max_tokens: Annotated[int | None, Field(ge=16, le=1_048_576)] = None
    quantization: Literal["4bit"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_auto(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {key: value for key, value in values.items() if value is not None}


class PreferenceHyperparameters(Hyperparameters):
    """How a job learns from preferences. A smaller ``beta`` moves further from the base model."""

    beta: Annotated[Any, _number(0, 2, whole=False, open_low=True)] = "auto"


class DistillationHyperparameters(Hyperparameters):
    """How a job learns from a teacher; the share of conversations that the student answers itself."""

    on_policy_share: Annotated[Any, _number(0, 1, whole=False)] = "auto"


class _SupervisedBody(_Request):
    hyperparameters: Hyperparameters = Field(default_factory=Hyperparameters)


class _PreferenceBody(_Request):
    hyperparameters: PreferenceHyperparameters = Field(default_factory=PreferenceHyperparameters)


class DistillationBody(_Request):
    """An extension: ``teacher`` (the base where it is left out) speaks under ``teacher_prompt``."""

    teacher_prompt: str = Field(min_length=1, max_length=1_000_000)
    teacher: str | None = Field(default=None, min_length=1)
    hyperparameters: DistillationHyperparameters = Field(default_factory=DistillationHyperparameters)


class _Method(_Request):
    type: Literal["supervised", "dpo", "reinforcement", "distillation"]
    supervised: _SupervisedBody | None = None
    dpo: _PreferenceBody | None = None
    distillation: DistillationBody | None = None
    reinforcement: dict[str, Any] | None = None


class JobRequest(_Request):
    """POST /v1/fine_tuning/jobs."""

    model: str = Field(min_length=1)
    training_file: str = Field(min_length=1)
    validation_file: str | None = None
    suffix: str | None = Field(default=None, min_length=1, max_length=64)
    seed: int | None = Field(default=None, ge=0, le=2147483647)
    metadata: Metadata | None = None
    method: _Method | None = None
    hyperparameters: Hyperparameters | None = None
    integrations: list[dict[str, Any]] | None = Field(default=None, max_length=5)

    def chosen_hyperparameters(self) -> Hyperparameters:
        """Those of the method, else the deprecated ones at the top, else all automatic."""
        body = getattr(self.method, self.method_type, None)
        if body is not None:
            return body.hyperparameters
        given = (self.hyperparameters or Hyperparameters()).model_dump(exclude_unset=True)
        return PreferenceHyperparameters(**given) if self.method_type == "dpo" else Hyperparameters(**given)

    @property
    def method_type(self) -> str:
        """The method's name; supervised where none is given."""
        return self.method.type if self.method is not None else "supervised"

    @property
    def distillation(self) -> DistillationBody | None:
        """What a job that distils is told."""
        return self.method.distillation if self.method and self.method_type == "distillation" else None

    @model_validator(mode="after")
    def _teacher_is_given(self) -> "JobRequest":
        if self.method_type == "distillation" and self.distillation is None:
            raise _fault(
                "missing_required_parameter",
                "Missing required parameter: 'method.distillation.teacher_prompt'.",
                "method.distillation.teacher_prompt",
            )
        return self


# --- chat -------------------------------------------------------------------------------------


def _content(value: Any) -> Any:
    """Text, or text parts joined; other parts cannot be read by a text model."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise _fault("invalid_type", "Invalid type for 'content': expected a string or an array of parts.")
    texts = []
    for number, part in enumerate(value):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise _fault(
                "missing_required_parameter", f"Missing required parameter: 'content[{number}].type'."
            )
        if part["type"] not in ("text", "refusal"):
            raise _fault(
                "invalid_value",
                f"Invalid value for 'content[{number}].type': '{part['type']}'. This model reads text only.",
            )
        text = part.get(part["type"])
        if not isinstance(text, str):
            raise _fault("invalid_type", f"Invalid type for 'content[{number}].text': expected a string.")
        texts.append(text)
    return "".join(texts)


class ChatMessage(_Request):
    """One message of a conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Annotated[str | None, BeforeValidator(_content)] = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    tool_call_id: str | None = None
    function_call: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None
    annotations: list[Any] | None = None

    @model_validator(mode="after")
    def _content_is_given(self) -> "ChatMessage":
        if self.role != "assistant" and self.content is None:
            raise _fault("invalid_type", "Invalid value for 'content': expected a string, got null.")
        return self

    def as_worker_message(self) -> dict[str, Any]:
        """The message as renderers take it."""
        message: dict[str, Any] = {"role": self.role, "content": self.content or ""}
        if self.name:
            message["name"] = self.name
        return message


class StreamOptions(_Request):
    """What a stream carries besides text."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


def _stop(value: Any) -> Any:
    """One text or up to four, as a list."""
    if value is None:
        return []
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _fault("invalid_type", "Invalid type for 'stop': expected a string or an array of strings.")
    if len(value) > 4:
        raise _fault(
            "array_above_max_length",
            f"Invalid 'stop': array too long. Expected at most 4 items, but got {len(value)} instead.",
        )
    return [item for item in value if item]


def _nothing_unsupported(value: Any) -> Any:
    if value in (None, [], {}):
        return value
    raise _fault("unsupported_parameter", "This server does not support the parameter; leave it out.")


def _plain_text_format(value: Any) -> Any:
    if value is None or value == {"type": "text"}:
        return value
    raise _fault(
        "unsupported_value",
        "Unsupported value for 'response_format': this server replies in plain text only.",
    )


Unsupported = Annotated[Any, AfterValidator(_nothing_unsupported)]

Penalty = Annotated[float | None, Field(ge=-2, le=2)]


class ChatRequest(_Request):
    """POST /v1/chat/completions."""

    model: str = Field(min_length=1)
    messages: list[ChatMessage] = Field(min_length=1, max_length=4096)
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1)] = None
    n: Annotated[int | None, Field(ge=1, le=128)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    stop: Annotated[list[str], BeforeValidator(_stop)] = Field(default_factory=list)
    seed: Annotated[int | None, Field(ge=-(2**63), le=2**63 - 1)] = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None
    frequency_penalty: Penalty = None
    presence_penalty: Penalty = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: Annotated[Any, AfterValidator(_plain_text_format)] = None
    tools: Unsupported = None
    functions: Unsupported = None
    logit_bias: Unsupported = None
    modalities: Any = None
    # Accepted and without effect here.
    tool_choice: Any = None
    function_call: Any = None
    parallel_tool_calls: bool | None = None
    user: str | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    service_tier: str | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prediction: Any = None

    @model_validator(mode="after")
    def _fields_agree(self) -> "ChatRequest":
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise _fault(
                "invalid_parameter_combination",
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
                "max_tokens",
            )
        if self.top_logprobs is not None and not self.logprobs:
            raise _fault(
                "", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs"
            )
        if self.stream_options is not None and not self.stream:
            raise _fault(
                "",
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                "stream_options",
            )
        return self


class ScoreRequest(_Request):
    """POST /v1/understudy/score, an extension: how likely are the given replies?"""

    model: str = Field(min_length=1)
    messages: list[ChatMessage] = Field(min_length=1, max_length=4096)
