"""Schema: the JSON Schema of ``character.yaml``, published so that editors complete it.

``python -m understudy.character.schema`` writes it anew after a change of the model.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from understudy.atomic import write_text
from understudy.character.character import Character

__all__ = ["build_schema", "published_schema", "render_schema"]

FILE_NAME = "character.schema.json"


def build_schema() -> dict[str, Any]:
    """The schema made from the model, JSON Schema draft 2020-12."""
    schema = Character.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Character",
        "description": "A character as Understudy's character.yaml holds it.",
    }


def render_schema() -> str:
    """The schema as the text of its file."""
    return json.dumps(build_schema(), ensure_ascii=False, indent=2) + "\n"


def published_schema() -> str:
    """The schema file that ships with the package."""
    return (files("understudy.character") / FILE_NAME).read_text(encoding="utf-8")


if __name__ == "__main__":
    write_text(Path(__file__).with_name(FILE_NAME), render_schema())
