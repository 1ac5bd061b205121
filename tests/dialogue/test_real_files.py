"""Every folder of real data that holds dialogue goes through an importer, recognised by itself."""

import zipfile

import pytest

from understudy.character import Character, save_character
from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues, read_source
from understudy.dialogue.line import UNSURE
from understudy.dialogue.preference import load_preferences
from understudy.errors import DialogueError
from understudy.folder import CharacterFolder

# File, beginning of the format's name, speaker, and at least so many dialogues and replies.
REAL = [
    ("alice-in-wonderland/alice-in-wonderland.txt", "novel", "Alice", 50, 120),
    ("wizard-of-oz/wizard-of-oz.txt", "novel", "Scarecrow", 35, 60),
    ("sherlock-holmes/sherlock-holmes.txt", "novel", "Holmes", 30, 40),
    ("assistant-conversations-small/conversations.jsonl", "chat, messages", None, 128, 128),
    ("avatar-transcripts/avatar.csv", "transcript table", "Iroh", 100, 290),
    ("dolly-subset/dolly.jsonl", "chat, prompt and answer", None, 151, 151),
    ("fastchat-sharegpt-dummy/dummy_conversation.json", "chat, ShareGPT", None, 250, 500),
    ("gpteacher-roleplay/roleplay-instruct.json", "chat, Alpaca", None, 1900, 1900),
    ("gsm8k-test/test.jsonl", "chat, question and answer", None, 1319, 1319),
    ("importance-of-being-earnest/importance-of-being-earnest.txt", "script", "Jack", 8, 190),
    ("llama-factory-demo/glaive_toolcall_en_demo.json", "chat, ShareGPT", None, 127, 250),
    ("llama-factory-demo/identity.json", "chat, Alpaca", None, 90, 90),
    ("llama-factory-demo/v1_sft_demo.jsonl", "chat, messages", None, 490, 490),
    ("open-assistant-sample/en_100_tree.jsonl", "JSON turns", "assistant", 95, 135),
    ("openai-cookbook-chat-jsonl/toy_chat_fine_tuning.jsonl", "chat, messages", None, 4, 4),
    ("persona-instruct-pirate-and-cat/captain_codebeard_generated.jsonl", "chat, Alpaca", None, 440, 440),
    ("personality-chat-tones/Queries_Responses_Friendly_QnAMaker.tsv", "questions", None, 160, 160),
    ("schema-guided-dialogue/train-dialogues_001.json.gz", "JSON turns", "SYSTEM", 120, 1200),
    ("self-instruct-seeds/seed_tasks.jsonl", "chat, Alpaca", None, 170, 170),
    (
        "synthetic-persona-chat/Synthetic-Persona-Chat_test.csv",
        "table of conversations",
        "User 2",
        960,
        12_900,
    ),
    ("tiny-shakespeare/input.txt", "script", "PETRUCHIO", 12, 145),
    ("topical-chat/valid_freq.json.gz", "JSON turns", "agent_2", 530, 5600),
]


@pytest.fixture
def folder(tmp_path):
    save_character(tmp_path / "nobody/character.yaml", Character(name="Nobody In Particular"))
    return CharacterFolder(tmp_path / "nobody")


@pytest.mark.parametrize(("file", "kind", "speaker", "dialogues", "replies"), REAL)
def test_real_files_become_dialogues(shared, folder, file, kind, speaker, dialogues, replies):
    options = ImportOptions(speakers=(speaker,) if speaker else ())

    report = import_dialogues(folder, shared / "data" / file, options)

    assert report.format.startswith(kind)
    assert report.dialogues >= dialogues
    assert report.replies >= replies
    messages = [m for d in load_dialogues(folder.dialogues) for m in d.messages]
    assert all(m.content.strip() == m.content and m.content for m in messages)
    assert not any(m.speaker == UNSURE for m in messages)


def test_all_topics_of_a_yaml_corpus(shared):
    files = sorted((shared / "data/chatterbot-corpus-english").glob("*.yml"))

    readings = [read_source(path, ImportOptions()) for path in files]

    assert {reading.format for reading in readings} == {"ChatterBot YAML"}
    assert sum(len(reading.dialogues) for reading in readings) == 734
    # A bare year or "yes" is a line, not a number or a truth value.
    assert any(m.content == "1963" for r in readings for d in r.dialogues for m in d.messages)


def test_thirty_episodes_of_a_podcast(shared, folder, tmp_path):
    with zipfile.ZipFile(shared / "data/changelog-transcripts-sample/changelog-friends-30.zip") as archive:
        archive.extractall(tmp_path / "episodes")
    readings = [read_source(path, ImportOptions()) for path in sorted((tmp_path / "episodes").glob("*.md"))]

    assert {reading.format for reading in readings} == {"Markdown transcript"}
    assert sum(line.speaker == "Jerod Santo" for reading in readings for line in reading.lines) > 4000


def test_ranked_replies_become_preferences(shared, folder):
    report = import_dialogues(folder, shared / "data/open-assistant-sample/en_100_tree.jsonl")

    preferences = load_preferences(folder.preferences)
    assert report.preferences == len(preferences) > 150
    groups = {dialogue.group for dialogue in load_dialogues(folder.dialogues)}
    assert all(p.chosen != p.rejected and p.group in groups for p in preferences)


@pytest.mark.parametrize(
    "file",
    [
        "character-llm-interviews/generated_agent_interview_Newton.json",
        "fastchat-sharegpt-dummy/mt_bench_question.jsonl",
        "model-written-persona-evals/openness.jsonl",
        "openai-cookbook-chat-jsonl/drone_training.jsonl",
        "character-cards/luna-starweaver-v3.json",
        "character-cards/Shodan_v2.png",
    ],
)
def test_files_without_dialogue_are_refused_with_the_reason(shared, file):
    with pytest.raises(DialogueError, match=r"holds no chat that can be used \(.*\)|init NAME --card"):
        read_source(shared / "data" / file, ImportOptions())
