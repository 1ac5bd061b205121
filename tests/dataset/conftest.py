"""A small character with a sheet and dialogues, as a folder on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from understudy.character.character import Character, save_character
from understudy.dialogue import Dialogue, save_dialogues
from understudy.folder import CharacterFolder


@pytest.fixture
def character() -> Character:
    return Character(
        name="Ophelia", tone=["Warm."], worldview=["The sea is kind."], guidelines=["Stay in character."]
    )


@pytest.fixture
def make_folder(tmp_path: Path, character: Character) -> Callable[[Sequence[Dialogue]], CharacterFolder]:
    def make(dialogues: Sequence[Dialogue]) -> CharacterFolder:
        folder = CharacterFolder(tmp_path / "ophelia")
        folder.root.mkdir(exist_ok=True)
        save_character(folder.character, character)
        save_dialogues(folder.dialogues, dialogues)
        return folder

    return make
