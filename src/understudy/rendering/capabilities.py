"""Capabilities: what a chat template accepts, found out by rendering, and messages shaped to fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.errors import RenderingError
from understudy.rendering.template import ChatTemplate

__all__ = [
    "CONTINUE_CUE",
    "OPENING_CUE",
    "Capabilities",
    "fit_messages",
    "fit_prompt",
    "plain_messages",
    "probe_capabilities",
]

# Stands in the user's place where a template must not begin with the character's greeting.
OPENING_CUE = "(The conversation begins.)"
# Stands between two replies in a row where roles must alternate.
CONTINUE_CUE = "(Go on.)"
JOINT = "\n\n"
PROBE = "Qzx"  # a word that no template writes by itself


@dataclass(frozen=True)
class Capabilities:
    """What the template takes as it is; everything else is reshaped by ``fit_messages``."""

    system: bool
    later_system: bool
    repeated_user: bool
    repeated_assistant: bool
    greeting: bool
    greeting_after_system: bool


Message = dict[str, Any]


def _says(role: str, word: str) -> Message:
    return {"role": role, "content": word}


def _renders(template: ChatTemplate, messages: list[Message], *, begin: bool = False) -> bool:
    """Whether the template takes these messages and writes every word of them, in order."""
    try:
        text = template.render(messages, add_generation_prompt=begin)
    except RenderingError:
        return False
    position = 0
    for message in messages:
        position = text.find(message["content"], position)
        if position < 0:
            return False
        position += len(message["content"])
    return True


def probe_capabilities(template: ChatTemplate) -> Capabilities:
    """Render small conversations and see what is refused or silently left out.

    Raises:
        RenderingError: Not even a question and its answer can be rendered.
    """
    system, user, reply = (
        _says("system", PROBE + "s"),
        _says("user", PROBE + "u"),
        _says("assistant", PROBE + "a"),
    )
    if not _renders(template, [user, reply]) or not _renders(template, [user], begin=True):
        template.render([user, reply], add_generation_prompt=False)  # raises with the template's own words
        raise RenderingError(
            f"{template.where}: does not write the messages it is given. "
            "Put a working template into chat_template.jinja."
        )
    with_system = _renders(template, [system, user, reply])
    return Capabilities(
        system=with_system,
        later_system=_renders(template, [user, reply, system, user, reply]),
        repeated_user=_renders(template, [user, user, reply]),
        repeated_assistant=_renders(template, [user, reply, reply, user, reply]),
        greeting=_renders(template, [reply, user, reply]) and _renders(template, [], begin=True),
        greeting_after_system=with_system
        and _renders(template, [system, reply, user, reply])
        and _renders(template, [system], begin=True),
    )


def _text(content: Any, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        # A lone surrogate, as broken JSON escapes leave it, has no UTF-8 form.
        return content.encode("utf-8", "replace").decode()
    if isinstance(content, list) and all(
        isinstance(p, Mapping) and isinstance(p.get("text"), str) for p in content
    ):
        return _text("".join(part["text"] for part in content), where)
    raise RenderingError(f"{where}: only text can be rendered; give 'content' as a string.")


def plain_messages(messages: Sequence[Mapping[str, Any]]) -> list[Message]:
    """The messages with role, text, and weight and name where given; ``developer`` is system.

    Raises:
        RenderingError: A role other than system, user and assistant, or content that is not text.
    """
    plain: list[Message] = []
    for number, message in enumerate(messages, 1):
        where = f"message {number}"
        if not isinstance(message, Mapping):
            raise RenderingError(f"{where}: is not an object with 'role' and 'content'.")
        role = message.get("role")
        role = "system" if role == "developer" else role
        if role not in ("system", "user", "assistant"):
            raise RenderingError(
                f"{where}: role {role!r} cannot be rendered. Use system, user and assistant messages."
            )
        if message.get("tool_calls") or message.get("function_call"):
            raise RenderingError(
                f"{where}: tool calls cannot be rendered. Remove the example or its tool calls."
            )
        row: Message = {"role": role, "content": _text(message.get("content"), where)}
        row.update({key: message[key] for key in ("weight", "name") if message.get(key) is not None})
        row["position"] = number - 1
        plain.append(row)
    return plain


def _cue(words: str) -> Message:
    return {"role": "user", "content": words, "position": None}


def _fold_system(messages: list[Message], capabilities: Capabilities) -> list[Message]:
    """Keep one system message in front; what the template cannot hold goes before the user's next words."""
    leading = [m for i, m in enumerate(messages) if all(x["role"] == "system" for x in messages[: i + 1])]
    rest = messages[len(leading) :]
    words = [m["content"] for m in leading if m["content"]]
    fitted: list[Message] = []
    pending: list[str] = []
    if leading and capabilities.system:  # also an empty one: it keeps the template's own prompt away
        fitted.append({**leading[0], "content": JOINT.join(words)})
    elif words:
        pending = words
        if not rest or rest[0]["role"] != "user":
            rest = [_cue(OPENING_CUE), *rest]
    for message in rest:
        if message["role"] == "system" and not capabilities.later_system:
            pending.append(message["content"])
        elif message["role"] == "user" and pending:
            fitted.append({**message, "content": JOINT.join([*pending, message["content"]])})
            pending = []
        elif pending:  # a reply comes first: the instruction must stand before it, not after
            fitted += [_cue(JOINT.join(pending)), message]
            pending = []
        else:
            fitted.append(message)
    if pending:
        fitted.append(_cue(JOINT.join(pending)))
    return fitted


def fit_prompt(messages: Sequence[Mapping[str, Any]], capabilities: Capabilities) -> list[Message]:
    """``fit_messages`` for messages that a reply is to follow: the same text that training saw."""
    return fit_messages([*messages, {"role": "assistant", "content": ""}], capabilities)[:-1]


def _needs_cue(messages: list[Message], capabilities: Capabilities) -> bool:
    if messages and messages[0]["role"] == "system":
        return (
            messages[1:2] != []
            and messages[1]["role"] == "assistant"
            and not capabilities.greeting_after_system
        )
    return bool(messages) and messages[0]["role"] == "assistant" and not capabilities.greeting


def fit_messages(messages: Sequence[Mapping[str, Any]], capabilities: Capabilities) -> list[Message]:
    """Shape messages so that the template takes them and loses no word.

    A system prompt goes before the first user message where there is no system role, and a
    greeting gets ``OPENING_CUE`` before it. Where roles must alternate, neighbouring user messages
    are joined by a blank line, and ``CONTINUE_CUE`` parts neighbouring replies, so that each is
    still prompted, weighted and scored by itself. Each returned message carries ``position``: its
    index in ``messages``, or ``None`` where it was not there.
    """
    fitted = _fold_system(plain_messages(messages), capabilities)
    if _needs_cue(fitted, capabilities):
        at = 1 if fitted[0]["role"] == "system" else 0
        fitted.insert(at, _cue(OPENING_CUE))
    apart: list[Message] = []
    for message in fitted:
        repeated = message["role"] if apart and apart[-1]["role"] == message["role"] else ""
        if repeated == "user" and not capabilities.repeated_user:
            words = [text for text in (apart[-1]["content"], message["content"]) if text]
            apart[-1] = {**apart[-1], "content": JOINT.join(words)}
            continue
        if repeated == "assistant" and not capabilities.repeated_assistant:
            apart.append(_cue(CONTINUE_CUE))
        apart.append(message)
    return apart
