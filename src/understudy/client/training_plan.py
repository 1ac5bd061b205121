"""Training plan: what a run will send, settled before anything is uploaded or spent."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.character.character import load_character
from understudy.character.deployed import policy_metadata
from understudy.client.dialect import OTHER
from understudy.client.provider import Provider
from understudy.client.training_material import dataset_material, preference_material
from understudy.errors import ConfigError
from understudy.folder import CharacterFolder

__all__ = ["TrainingPlan", "TrainingSettings", "choose_base", "plan_training"]

OFFLINE_BASE = "understudy/mini"
HOSTED_BASE = "gpt-4.1-mini-2025-04-14"
DEFAULT_SEED = 1
METHODS = ("supervised", "dpo", "distillation")
FOUR_BIT = "4bit"


@dataclass(frozen=True)
class TrainingSettings:
    """What a user may set. ``None`` takes the recommendation for the base model.

    Attributes:
        base_model: Base model or ``ft:`` model to go on from; ``None`` chooses one.
        n_epochs: Passes over the examples.
        learning_rate_multiplier: Times the base model's learning rate.
        suffix: Part of the model's name; ``None`` takes the character's name.
        again: Train although the same dataset and settings have a model already.
        method: ``supervised`` learns the dataset's replies, ``dpo`` the preferences between two,
            ``distillation`` what a teacher under the long prompt would say.
        beta: Of ``dpo``: how strongly the model is held to the base.
        preferences: Of ``dpo``: its file; ``None`` is ``preferences.jsonl`` of the character.
        teacher: Of ``distillation``: a base model; ``None`` is the one that is trained.
        on_policy_share: Of ``distillation``: of conversations that are learned with own replies.
        quantization: ``4bit`` holds the base in four bits while it is trained; ours.
    """

    base_model: str | None = None
    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    seed: int = DEFAULT_SEED
    suffix: str | None = None
    again: bool = False
    method: str = "supervised"
    beta: float | None = None
    preferences: Path | None = None
    teacher: str | None = None
    on_policy_share: float | None = None
    quantization: str | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """A run as it will be sent.

    Attributes:
        fingerprint: Equal for two runs that would train the same model.
        billed_tokens: Tokens of the examples times epochs, by OpenAI's count.
        price_usd: What the provider charges, or ``None``: free, or not known.
        price_note: Where the price is from, or why there is none.
        policies: The character's policies as the job's metadata, for the server to apply.
    """

    character: str
    base_model: str
    provider: Provider
    training_file: Path
    validation_file: Path | None
    hashes: dict[str, str]
    hyperparameters: dict[str, Any]
    seed: int
    suffix: str
    examples: int
    billed_tokens: int
    price_usd: float | None
    price_note: str
    fingerprint: str
    again: bool
    recipe: dict[str, Any]
    policies: dict[str, str] = field(default_factory=dict)
    method: str = "supervised"
    teaching: dict[str, Any] = field(default_factory=dict)

    def as_method(self) -> dict[str, Any]:
        """The ``method`` of the job's request."""
        body = {**self.teaching, "hyperparameters": self.hyperparameters}
        return {"type": self.method, self.method: body}


def plan_training(folder: CharacterFolder, provider: Provider, settings: TrainingSettings) -> TrainingPlan:
    """Settle base model, hyperparameters and price for the dataset as it lies in the folder.

    Raises:
        DatasetError: The dataset is not built, or holds too few examples.
        ConfigError: A setting cannot be used.
    """
    from understudy.dataset.manifest import hash_file

    _refuse_untrainable(provider)
    _refuse_settings(settings, provider)
    if settings.method == "dpo":
        material = preference_material(folder, settings.preferences)
    else:
        material = dataset_material(folder)
    character = load_character(folder.character)
    teaching: dict[str, Any] = {}
    if settings.method == "distillation":
        _refuse_hosted(provider)
        teaching = {"teacher_prompt": character.long_prompt(), "teacher": settings.teacher}
    base = _absolute(settings.base_model, provider) if settings.base_model else choose_base(provider)
    hyperparameters = _hyperparameters(base, provider, material.examples, settings)
    hashes = {path.name: hash_file(path) for path in material.files}
    suffix = _slug(settings.suffix if settings.suffix is not None else character.name)
    billed = material.tokens * int(hyperparameters["n_epochs"])
    price, note = _price(provider, base, billed)
    return TrainingPlan(
        character=character.name,
        base_model=base,
        provider=provider,
        training_file=material.training_file,
        validation_file=material.validation_file,
        hashes=hashes,
        hyperparameters=hyperparameters,
        seed=settings.seed,
        suffix=suffix,
        examples=material.examples,
        billed_tokens=billed,
        price_usd=price,
        price_note=note,
        fingerprint=_fingerprint(
            hashes, base, provider, hyperparameters, settings.seed, suffix, settings.method, teaching
        ),
        again=settings.again,
        recipe=material.recipe,
        method=settings.method,
        teaching=teaching,
        policies=policy_metadata(character),
    )


def _refuse_untrainable(provider: Provider) -> None:
    """Say so before anything is sent."""
    if not provider.dialect.training:
        raise ConfigError(
            f"{provider.dialect.title} cannot train through this API. {provider.dialect.note} "
            "To train on this machine, leave --provider out."
        )


def _refuse_settings(settings: TrainingSettings, provider: Provider) -> None:
    """Settings that no provider takes, or that the method does not have."""
    rate, beta = settings.learning_rate_multiplier, settings.beta
    share = settings.on_policy_share
    problems = []
    if settings.method not in METHODS:
        problems.append(f"--method {settings.method!r} is not one of {', '.join(METHODS)}.")
    if rate is not None and not 0 < rate < float("inf"):
        problems.append(f"--learning-rate-multiplier {rate:g} is not a number above 0.")
    if beta is not None and not 0 < beta <= 2:
        problems.append(f"--beta {beta:g} is not a number above 0 and at most 2.")
    if share is not None and not 0 <= share <= 1:
        problems.append(f"--on-policy {share:g} is not a share from 0 to 1.")
    if settings.quantization not in (None, FOUR_BIT):
        problems.append(f"--quantize {settings.quantization!r} is not {FOUR_BIT}.")
    if settings.quantization and provider.dialect.name != OTHER.name:
        problems.append(f"{provider.dialect.title} knows no --quantize; its own servers choose the numbers.")
    for method, given in (
        ("dpo", {"--beta": beta, "--preferences": settings.preferences}),
        ("distillation", {"--teacher": settings.teacher, "--on-policy": share}),
    ):
        names = [name for name, value in given.items() if value is not None and settings.method != method]
        problems += [f"{name} belongs to --method {method}." for name in names]
    if problems:
        raise ConfigError("\n".join(problems))


def _refuse_hosted(provider: Provider) -> None:
    if provider.name == "openai":
        raise ConfigError(
            "OpenAI has no method 'distillation'. Leave --provider out to train on this machine."
        )


def choose_base(provider: Provider) -> str:
    """The base model where none is named: hosted, the cheapest tunable; here, one that the machine
    can train if it is on the disk already, else the embedded one, which needs no download."""
    if provider.name == "openai":
        return HOSTED_BASE
    if provider.name != "local":
        raise ConfigError("Name the base model that this server offers: --base-model MODEL")
    from understudy.client.recommend import recommend_base

    recommended = recommend_base().model
    return recommended if _is_downloaded(recommended) else OFFLINE_BASE


def _absolute(base: str, provider: Provider) -> str:
    """A directory as the local server finds it, whatever its own working directory."""
    path = Path(base).expanduser()
    return str(path.resolve()) if provider.name == "local" and path.is_dir() else base


def _is_downloaded(name: str) -> bool:
    try:
        from understudy.api.bases import cached_base

        return cached_base(name) is not None
    except ImportError:
        return False


def _hyperparameters(
    base: str, provider: Provider, examples: int, settings: TrainingSettings
) -> dict[str, Any]:
    """The recommendation for the base, overruled by what was set.

    Hosted providers know no keys of ours and no better batch size or rate than their own ``auto``.
    """
    from understudy.api.bases import recommended_hyperparameters

    chosen = recommended_hyperparameters(_recommendation_key(base), examples, settings.method)
    if provider.name != "local":
        chosen = {"n_epochs": chosen["n_epochs"], **provider.dialect.hyperparameters}
    given = {
        "n_epochs": settings.n_epochs,
        "batch_size": settings.batch_size,
        "learning_rate_multiplier": settings.learning_rate_multiplier,
        "beta": settings.beta,
        "on_policy_share": settings.on_policy_share,
        "quantization": settings.quantization,
    }
    return chosen | {key: value for key, value in given.items() if value is not None}


def _recommendation_key(base: str) -> str:
    """The base behind an ``ft:`` name, or the name itself."""
    return base.split(":")[1] if base.startswith("ft:") and base.count(":") >= 2 else base


def _price(provider: Provider, base: str, billed_tokens: int) -> tuple[float | None, str]:
    if not provider.paid:
        return None, "on this machine, free"
    if provider.name != "openai":
        return None, f"the price of {provider.name} is not known here; look at its price page"
    from understudy.cost.price import base_name, find_price
    from understudy.errors import UnderstudyError

    try:
        price = find_price(f"ft:{base_name(base)}")
    except UnderstudyError:
        return None, f"the training price of {base} is not known here; look at OpenAI's price page"
    if price.training is None:
        return None, f"the training price of {base} is not known here; look at OpenAI's price page"
    note = f"{price.training:g} USD per million tokens, {price.source}, {price.as_of}"
    return price.training * billed_tokens / 1e6, note


def _slug(text: str) -> str:
    """``Princess Ophelia`` -> ``princess-ophelia``, at most 18 characters, which every provider takes."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:18].strip("-")
    if text.strip() and not slug:
        return "character"
    return slug


def _fingerprint(
    hashes: dict[str, str],
    base: str,
    provider: Provider,
    hyperparameters: dict[str, Any],
    seed: int,
    suffix: str,
    method: str,
    teaching: dict[str, Any],
) -> str:
    parts: list[Any] = [hashes, base, provider.name, provider.base_url, hyperparameters, seed, suffix]
    parts += [method] if method != "supervised" else []
    parts += [teaching] if teaching else []
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
