"""Modelfile: how Ollama prompts the model: template, identity prompt and parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError, RenderingError
from understudy.export.spec import ExportSpec

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["TurnTexts", "find_turn_texts", "modelfile"]

NOT_SAID = "cannot be said in Ollama's language"
_SYSTEM, _USER, _REPLY, _AGAIN = "Qzxs", "Qzxu", "Qzxa", "Qzxv"  # words that no template writes


@dataclass(frozen=True)
class TurnTexts:
    """What a chat template writes around messages; a prompt is these joined, and ``lead`` at its end.

    Attributes:
        system, user, reply: Before and after a message of that role.
        lead: From the last message to the reply that is to come.
    """

    system: tuple[str, str]
    user: tuple[str, str]
    reply: tuple[str, str]
    lead: str

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """What Ollama makes of messages with the template that ``go_template`` writes."""
        around = {"system": self.system, "user": self.user, "assistant": self.reply}
        parts = []
        for message in messages:
            before, after = around[message["role"]]
            parts += [before, message["content"], after]
        return "".join([*parts, self.lead])

    def go_template(self) -> str:
        """The same as a template of Go."""

        def around(texts: tuple[str, str]) -> str:
            return f"{texts[0]}{{{{ .Content }}}}{texts[1]}"

        return (
            f'{{{{ range .Messages }}}}{{{{ if eq .Role "system" }}}}{around(self.system)}'
            f'{{{{ else if eq .Role "user" }}}}{around(self.user)}'
            f'{{{{ else if eq .Role "assistant" }}}}{around(self.reply)}{{{{ end }}}}{{{{ end }}}}{self.lead}'
        )


def find_turn_texts(renderer: "Renderer") -> TurnTexts:
    """Find what the chat template writes around messages, and prove it on conversations.

    All begin with a system prompt, since the Modelfile always gives one.

    Raises:
        ModelError: The template does more than write texts around messages (dates, counting,
            trimming), so Ollama's language for templates cannot repeat it.
    """
    words = zip(("system", "user", "assistant", "user"), (_SYSTEM, _USER, _REPLY, _AGAIN), strict=True)
    try:
        whole = renderer.prompt([{"role": role, "content": word} for role, word in words]).text
        to_system, rest = whole.split(_SYSTEM)
        to_user, rest = rest.split(_USER)
        to_reply, rest = rest.split(_REPLY)
        to_again, to_end = rest.split(_AGAIN)
        to_first = renderer.prompt([{"role": "user", "content": _USER}]).text.split(_USER)[0]
    except (ValueError, RenderingError) as error:
        raise ModelError(
            f"The chat template {NOT_SAID}: it does not write each message once, in its turn."
        ) from error
    # The same before every question; what else stands there ends the message before it.
    before_user = _common_end(to_user, to_again, to_first) or _common_end(to_user, to_again)
    after_user = _common_begin(to_reply, to_end)
    texts = TurnTexts(
        (to_system, to_user.removesuffix(before_user)),
        (before_user, after_user),
        (to_reply.removeprefix(after_user), to_again.removesuffix(before_user)),
        to_end.removeprefix(after_user),
    )
    for messages in _conversations():
        if texts.prompt(messages) != renderer.prompt(messages).text:
            raise ModelError(
                f"The chat template {NOT_SAID}: it does more than write texts around messages, so the model "
                "would be asked otherwise than it was trained. Export it as merged instead."
            )
    return texts


def _common_end(*texts: str) -> str:
    """The longest text with which all end."""
    shortest = min(texts, key=len)
    ends = (shortest[start:] for start in range(len(shortest) + 1))
    return next(end for end in ends if all(text.endswith(end) for text in texts))


def _common_begin(*texts: str) -> str:
    """The longest text with which all begin."""
    return _common_end(*(text[::-1] for text in texts))[::-1]


def _conversations() -> list[list[dict[str, str]]]:
    """Conversations of one to three turns, with blanks and lines where they hurt."""
    words = ["Who are you?", " two  blanks ", "lines\n\nof text\n", "ends.", "Ünï ¿qué? 🙂", "7"]
    system = {"role": "system", "content": "You are X.\nBe brief."}
    found = []
    for turns in (1, 2, 3):
        for first in range(len(words)):
            rest = [
                {"role": "assistant" if i % 2 else "user", "content": words[(i + first) % len(words)]}
                for i in range(2 * turns - 1)
            ]
            found.append([system, *rest])
    return found


def modelfile(spec: ExportSpec, renderer: "Renderer", texts: TurnTexts, file: str, context: int) -> str:
    """The text of a Modelfile.

    Raises:
        ModelError: A text holds what a Modelfile cannot quote.
    """
    template = texts.go_template()
    pieces = [*texts.system, *texts.user, *texts.reply, texts.lead]
    if any("{{" in piece for piece in pieces) or any('"""' in t for t in (template, spec.identity_prompt)):
        raise ModelError("The chat template or the identity prompt holds {{ or three quotes in a row.")
    stops = sorted({renderer.decode([stop]) for stop in renderer.stop_ids})
    lines = [
        f"# {spec.model}, tuned from {spec.base_model}. Use: ollama create {spec.slug} -f Modelfile",
        f"FROM ./{file}",
        f'TEMPLATE """{template}"""',
        f'SYSTEM """{spec.identity_prompt}"""',
        f"PARAMETER temperature {spec.temperature:g}",
        f"PARAMETER num_ctx {context}",
        *(f'PARAMETER stop "{stop}"' for stop in stops),
    ]
    return "\n".join(lines) + "\n"
