"""An import adds what is new, keeps what is there, and leaves nothing half-written."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from understudy.character import Character, save_character
from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues, save_dialogues
from understudy.dialogue.dialogue import Dialogue, Message
from understudy.errors import CharacterError, DialogueError
from understudy.folder import CharacterFolder

SCRIPT = "Bob: Hi.\nAnn: Hello (waves).\n\nBob: Tea?\nAnn: Yes.\n"


@pytest.fixture
def folder(tmp_path):
    save_character(tmp_path / "ann/character.yaml", Character(name="Ann"))
    return CharacterFolder(tmp_path / "ann")


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "play.txt"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def test_dialogues_and_a_copy_of_the_source_are_kept(folder, script):
    report = import_dialogues(folder, script)

    (dialogue,) = load_dialogues(folder.dialogues)
    assert [message.content for message in dialogue.messages] == ["Hi.", "Hello.", "Tea?", "Yes."]
    assert (report.dialogues, report.replies, report.groups, report.added, report.total) == (1, 2, 1, 1, 1)
    assert (report.lines, report.lines_of_speaker, report.speakers) == (4, 2, ["Ann"])
    assert (folder.sources / "play.txt").read_text(encoding="utf-8") == SCRIPT
    assert json.dumps(report.as_json())


def test_importing_again_changes_nothing(folder, script):
    import_dialogues(folder, script)
    before = folder.dialogues.read_bytes()

    report = import_dialogues(folder, script)

    assert (report.added, report.known, report.outdated) == (0, 1, 0)
    assert folder.dialogues.read_bytes() == before
    assert [path.name for path in folder.sources.iterdir()] == ["play.txt"]


def test_a_dialogue_edited_by_hand_is_neither_overwritten_nor_doubled(folder, script):
    import_dialogues(folder, script)
    text = folder.dialogues.read_text(encoding="utf-8").replace("Hello.", "Good evening.")
    folder.dialogues.write_text(text, encoding="utf-8")

    import_dialogues(folder, script)

    assert folder.dialogues.read_text(encoding="utf-8") == text


def test_other_dialogues_stay_and_another_reading_can_replace_the_earlier(folder, script):
    own = Dialogue("own", "own", (Message("user", "a"), Message("assistant", "b")), "everyday", "me")
    save_dialogues(folder.dialogues, [own])
    import_dialogues(folder, script)

    kept = import_dialogues(folder, script, ImportOptions(stage_directions="keep"))
    replaced = import_dialogues(folder, script, ImportOptions(stage_directions="keep"), replace_earlier=True)

    assert (kept.added, kept.outdated, kept.total) == (1, 1, 3)
    assert (replaced.added, replaced.removed, replaced.total) == (0, 1, 2)
    assert [d.messages[1].content for d in load_dialogues(folder.dialogues)] == ["b", "Hello (waves)."]


def test_a_dry_run_writes_nothing(folder, script):
    report = import_dialogues(folder, script, dry_run=True)

    assert report.added == 1
    assert sorted(path.name for path in folder.root.iterdir()) == ["character.yaml"]


def test_another_file_of_the_same_name_is_kept_beside(folder, script, tmp_path):
    import_dialogues(folder, script)
    other = tmp_path / "other/play.txt"
    other.parent.mkdir()
    other.write_text("Bob: Bye.\nAnn: So soon?\nBob: Yes.\n", encoding="utf-8")

    import_dialogues(folder, other)

    assert sorted(path.name for path in folder.sources.iterdir()) == ["play-2.txt", "play.txt"]
    assert len(load_dialogues(folder.dialogues)) == 2


def test_a_source_that_already_lies_in_sources_is_not_copied(folder):
    folder.sources.mkdir()
    path = folder.sources / "play.txt"
    path.write_text(SCRIPT, encoding="utf-8")

    import_dialogues(folder, path)

    assert [entry.name for entry in folder.sources.iterdir()] == ["play.txt"]


def test_faults_leave_the_folder_as_it_was(folder, script):
    folder.dialogues.write_text("{broken\n", encoding="utf-8")

    with pytest.raises(DialogueError, match=r"dialogues\.jsonl:1"):
        import_dialogues(folder, script)
    with pytest.raises(DialogueError, match="nobody called 'Zed'"):
        import_dialogues(folder, script, ImportOptions(speakers=("Zed",)))

    assert folder.dialogues.read_text(encoding="utf-8") == "{broken\n"
    assert not folder.sources.exists()


def test_a_speaker_who_answers_nobody_is_told_why(folder, tmp_path):
    path = tmp_path / "solo.txt"
    path.write_text("Ann: One.\nAnn: Two.\nAnn: Three.\n", encoding="utf-8")

    with pytest.raises(DialogueError, match="nobody's line before it"):
        import_dialogues(folder, path)


def test_a_broken_sheet_is_named(folder, script):
    folder.character.write_text("name: [", encoding="utf-8")

    with pytest.raises(CharacterError, match=r"character\.yaml"):
        import_dialogues(folder, script)


REAL = [
    ("avatar-transcripts/avatar.csv", "Iroh", 337, 290, 30),
    ("avatar-transcripts/avatar.csv", "zuko", 776, 650, 40),
    ("importance-of-being-earnest/importance-of-being-earnest.txt", "Lady Bracknell", 80, 75, 8),
    ("importance-of-being-earnest/importance-of-being-earnest.txt", "Algernon", 190, 170, 12),
    ("tiny-shakespeare/input.txt", "MENENIUS", 160, 150, 20),
    ("tiny-shakespeare/input.txt", "Petruchio", 155, 145, 12),
]


@pytest.mark.parametrize(("file", "speaker", "lines", "replies", "groups"), REAL)
def test_real_transcripts_and_plays(shared, folder, file, speaker, lines, replies, groups):
    report = import_dialogues(folder, shared / "data" / file, ImportOptions(speakers=(speaker,)))

    assert report.lines_of_speaker >= lines
    assert report.replies >= replies
    assert report.groups >= groups
    contents = [m.content for d in load_dialogues(folder.dialogues) for m in d.messages]
    assert not any("  " in text or "[" in text or "�" in text or text != text.strip() for text in contents)


def test_imports_at_the_same_time_lose_nothing(folder, tmp_path):
    scripts = [tmp_path / f"play{i}.txt" for i in range(8)]
    for i, path in enumerate(scripts):
        path.write_text(f"Bob: Number {i}?\nAnn: It is {i}.\n", encoding="utf-8")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: import_dialogues(folder, path), scripts))

    assert len(load_dialogues(folder.dialogues)) == 8
