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
# The same for a second reply in a row where roles must alternate.
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
        return content
    if isinstance(content, list) and all(
        isinstance(p, Mapping) and isinstance(p.get("text"), str) for p in content
    ):
        return "".join(part["text"] for part in content)
    raise RenderingError(f"{where}: only text can be rendered; give 'content' as a string.")


def plain_messages(messages: Sequence[Mapping[str, Any]]) -> list[Message]:
    """The messages with role, text, and weight and name where given; ``developer`` is system.

    Raises:
        RenderingError: A role other than system, user and assistant, or content that is not text.
    """
    plain: list[Message] = []
    for number, message in enumerate(messages, 1):
        where = f"message {number}"
        role = {"developer": "system"}.get(message.get("role", ""), message.get("role"))
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


def _join(first: Message, second: Message) -> Message:
    """One message of two. It is learned only if both are, so that nothing is learned against its weight."""
    joined = {**first, "content": JOINT.join(t for t in (first["content"], second["content"]) if t)}
    if first["role"] == "assistant":
        joined["weight"] = min(first.get("weight", 1), second.get("weight", 1))
        joined["position"] = second["position"]
    return joined


def _fold_system(messages: list[Message], capabilities: Capabilities) -> list[Message]:
    """Keep one system message in front; what the template cannot hold goes before the user's next words."""
    leading = [m for i, m in enumerate(messages) if all(x["role"] == "system" for x in messages[: i + 1])]
    rest, kept = messages[len(leading) :], [m for m in leading if m["content"]]
    fitted: list[Message] = []
    pending: list[str] = []
    if kept and capabilities.system:
        fitted.append({**kept[0], "content": JOINT.join(m["content"] for m in kept)})
    elif kept:
        pending = [m["content"] for m in kept]
        if not rest or rest[0]["role"] != "user":
            rest = [{"role": "user", "content": OPENING_CUE, "position": None}, *rest]
    for message in rest:
        if message["role"] == "system" and not capabilities.later_system:
            pending.append(message["content"])
        elif message["role"] == "user" and pending:
            fitted.append({**message, "content": JOINT.join([*pending, message["content"]])})
            pending = []
        elif pending:  # a reply comes first: the instruction must stand before it, not after
            fitted += [{"role": "user", "content": JOINT.join(pending), "position": None}, message]
            pending = []
        else:
            fitted.append(message)
    if pending:
        fitted.append({"role": "user", "content": JOINT.join(pending), "position": None})
    return fitted


def fit_prompt(messages: Sequence[Mapping[str, Any]], capabilities: Capabilities) -> list[Message]:
    """``fit_messages`` for messages that a reply is to follow: the same text that training saw."""
    ends_with_reply = bool(messages) and messages[-1].get("role") == "assistant"
    if ends_with_reply and not capabilities.repeated_assistant:
        messages = [*messages, {"role": "user", "content": CONTINUE_CUE}]
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

    A system prompt goes before the first user message where there is no system role, a greeting
    gets ``OPENING_CUE`` before it, neighbours of one role are joined by a blank line where roles
    must alternate. Each returned message carries ``position``: its index in ``messages``.
    """
    fitted = _fold_system(plain_messages(messages), capabilities)
    if _needs_cue(fitted, capabilities):
        at = 1 if fitted[0]["role"] == "system" else 0
        fitted.insert(at, {"role": "user", "content": OPENING_CUE, "position": None})
    merged: list[Message] = []
    for message in fitted:
        repeats = bool(merged) and merged[-1]["role"] == message["role"]
        allowed = {"user": capabilities.repeated_user, "assistant": capabilities.repeated_assistant}
        if repeats and not allowed.get(message["role"], True):
            merged[-1] = _join(merged[-1], message)
        else:
            merged.append(message)
    return merged
