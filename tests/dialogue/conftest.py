"""A character folder with a source beside it."""

from pathlib import Path

import pytest

from understudy.character import Character, save_character
from understudy.folder import CharacterFolder


@pytest.fixture
def make_character(tmp_path):
    def make(name: str, file_name: str, content: str) -> tuple[CharacterFolder, Path]:
        folder = CharacterFolder(tmp_path / "character")
        save_character(folder.character, Character(name=name))
        path = tmp_path / file_name
        path.write_text(content, encoding="utf-8")
        return folder, path

    return make
