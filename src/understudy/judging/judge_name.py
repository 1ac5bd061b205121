"""Judge name: ``MODEL`` or ``MODEL@PROVIDER`` as a person types it."""

from understudy.errors import ConfigError

__all__ = ["split_judge"]


def split_judge(text: str) -> tuple[str, str | None]:
    """A model and the provider where it answers, ``None`` for this machine.

    An ``@`` that is followed by neither a known provider nor an address belongs to the model's name.

    Raises:
        ConfigError: No model is named.
    """
    from understudy.client.dialect import dialects

    model, at, where = text.strip().rpartition("@")
    known = (
        where.partition("=")[0] in dialects() or where == "local" or where.startswith(("http://", "https://"))
    )
    if not at or not known:
        model, where = text.strip(), ""
    if not model:
        raise ConfigError(f"--model {text!r}: names no model. Write MODEL or MODEL@PROVIDER.")
    return model, where or None
