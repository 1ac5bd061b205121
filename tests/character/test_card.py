"""Cards of every version and packing are read, and real malformations where that is safe."""

import base64
import io
import json
import zipfile
import zlib
from pathlib import Path

import pytest
from cards import chunk, pack, png, text_chunk, v2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from understudy.character.card import read_card
from understudy.character.character import Character
from understudy.character.sheet import parse_sheet, render_sheet
from understudy.errors import CardError

REAL_CARDS = [
    ("Default-chan.png", "Default-chan", "card V3", "ccv3"),
    ("Shodan_v2.png", "Shodan", "card V2", "chara"),
    ("Skynet_v2.png", "Skynet", "card V1", "chara"),
    ("baseline_v3_small.charx", "Synthetic CharX Character", "card V3", "CHARX"),
    ("baseline_v3_small.png", "Synthetic V3 Character", "card V3", "chara"),
    ("default_CodingSensei.png", "Coding Sensei", "card V2", "chara"),
    ("default_FluxTheCat.png", "Flux the Cat", "card V2", "chara"),
    ("hybrid_format_v2.json", "Synthetic V2 Character", "card V2", "JSON"),
    ("luna-starweaver-v3.json", "Luna Starweaver", "card V3", "JSON"),
]


@pytest.mark.parametrize(("file", "name", "version", "packing"), REAL_CARDS)
def test_real_cards_load_and_only_instructions_without_limits_are_warned_of(
    shared, file, name, version, packing
):
    card = read_card(shared / "data/character-cards" / file)

    assert card.character.name == name
    assert card.format.startswith(version)
    assert packing in card.format
    assert [w for w in card.warnings if "switch limits off" not in w] == []
    assert bool(card.warnings) == (name == "Flux the Cat")


@pytest.mark.parametrize("file", [row[0] for row in REAL_CARDS])
def test_no_placeholder_is_left_in_real_cards_and_the_sheet_reads_back(shared, file):
    character = read_card(shared / "data/character-cards" / file).character

    words = character.long_prompt() + character.greeting
    for mark in ("{{char}}", "{{user}}", "<BOT>", "<USER>", "<CHR>", "<START>"):
        assert mark.lower() not in words.lower()
    assert parse_sheet(render_sheet(character), "again") == character


def test_example_dialogues_of_a_real_card_keep_the_stutter(shared):
    character = read_card(shared / "data/character-cards/Shodan_v2.png").character

    replies = [turn.content for example in character.examples for turn in example if turn.role == "assistant"]
    assert any("Y-Y-Your" in reply for reply in replies)


def test_fields_find_their_sections(card_file):
    card = read_card(
        card_file(
            v2(
                personality="Proud.",
                scenario="A kitchen at night.",
                system_prompt="{{original}} Never bark.",
                post_history_instructions="Purr first.",
                alternate_greetings=["Hiss."],
                tags=["cat"],
                creator_notes="Made for tests.",
                extensions={"depth_prompt": {"prompt": "Stay on the sofa.", "depth": 4}},
            ),
            "mog.json",
        )
    )

    character = card.character
    assert character.summary == "Mog is a cat."
    assert character.tone == ["Proud."]
    assert character.worldview == ["A kitchen at night."]
    assert character.guidelines == ["Never bark.", "Purr first.", "Stay on the sofa."]
    assert character.greeting == "Meow!"
    assert character.source["alternate_greetings"] == ["Hiss."]
    assert character.source["tags"] == ["cat"]
    assert character.source["creator_notes"] == "Made for tests."


def test_placeholders_are_resolved_in_any_case(card_file):
    card = v2(description="{{CHAR}} meets {{User}}. <bot>, <CHR> and <BOT> know <USER>'s {{ char }}.")

    assert read_card(card_file(card)).character.summary == (
        "Mog meets the user. Mog, Mog and Mog know the user's Mog."
    )
    named = read_card(card_file(card), user="Ann").character
    assert named.summary == "Mog meets Ann. Mog, Mog and Mog know Ann's Mog."


def test_greeting_speaks_to_you_where_nobody_is_named(card_file):
    greeting = "Good day, {{user}}! *looks at {{user}}* Oh! {{user}} is late. Is that {{user}}'s hat?"

    spoken = read_card(card_file(v2(first_mes=greeting))).character.greeting

    assert spoken == "Good day! *looks at you* Oh! You are late. Is that your hat?"


def test_nickname_stands_for_the_character_and_name_overrides(card_file):
    path = card_file(v2(nickname="Moggy"))

    assert read_card(path).character.summary == "Moggy is a cat."
    assert read_card(path).character.name == "Mog"
    assert read_card(path, name="Tom").character.identity_prompt == "You are Tom."


def test_example_dialogues_are_cut_by_speaker(card_file):
    text = (
        "<START>\n{{user}}: Hi\n{{char}}: Meow.\nPurr.\n<start>\n*rain*\nMog: Hiss!\n<BOT>: Go!\nYou: No\n"
        "<START>\n*The cat sleeps.*\n<START>\n"
    )

    examples = read_card(card_file(v2(mes_example=text))).character.examples

    assert [[(turn.role, turn.content) for turn in example] for example in examples] == [
        [("user", "Hi"), ("assistant", "Meow.\nPurr.")],
        [("assistant", "*rain*\nHiss!\nGo!"), ("user", "No")],
        [("assistant", "*The cat sleeps.*")],
    ]


@pytest.mark.parametrize(
    "packed",
    [
        text_chunk(v2()),
        chunk(b"zTXt", b"chara\0\0" + zlib.compress(pack(v2()))),
        chunk(b"iTXt", b"chara\0\0\0\0\0" + pack(v2())),
        chunk(b"iTXt", b"chara\0\1\0en\0Karte\0" + zlib.compress(pack(v2()))),
        chunk(b"tEXt", b"chara\0" + pack(v2()).rstrip(b"=")),
        chunk(b"tEXt", b"chara\0" + b"\n".join([pack(v2())[:40], pack(v2())[40:]])),
        chunk(b"tEXt", b"chara\0" + json.dumps(v2()).encode()),
        chunk(
            b"tEXt",
            b"Chara\0" + base64.urlsafe_b64encode(json.dumps(v2(description="{{char}} is a cat.")).encode()),
        ),
    ],
    ids=["tEXt", "zTXt", "iTXt", "iTXt compressed", "no padding", "line breaks", "bare JSON", "url alphabet"],
)
@pytest.mark.parametrize("after_image", [False, True])
def test_every_way_to_pack_a_card_is_read(card_file, packed, after_image):
    card = read_card(card_file(png(packed, after_image=after_image)))

    assert card.character.summary == "Mog is a cat."
    assert card.warnings == ()


def test_ccv3_wins_over_a_different_chara_with_a_warning(card_file):
    v3 = {"spec": "chara_card_v3", "spec_version": "3.0", "data": {"name": "New", "description": "x"}}
    card = read_card(card_file(png(text_chunk(v2()), text_chunk(v3, "ccv3"))))

    assert card.character.name == "New"
    assert any("two cards that differ" in warning and "name" in warning for warning in card.warnings)


def test_two_equal_cards_need_no_warning(card_file):
    v3 = {"spec": "chara_card_v3", "spec_version": "3.0", "data": v2()["data"]}

    assert read_card(card_file(png(text_chunk(v2()), text_chunk(v3, "ccv3")))).warnings == ()


def test_a_broken_ccv3_falls_back_to_chara(card_file):
    card = read_card(card_file(png(chunk(b"tEXt", b"ccv3\0!!!"), text_chunk(v2()))))

    assert card.character.name == "Mog"
    assert any("ccv3" in warning and "'chara' chunk was used" in warning for warning in card.warnings)


def test_v3_under_the_v2_keyword_is_v3(card_file):
    v3 = {"spec": "chara_card_v3", "data": {"name": "Mog", "description": "x"}}

    assert read_card(card_file(png(text_chunk(v3, "chara")))).format.startswith("card V3")


def test_a_card_without_spec_is_v1_or_v2_by_its_shape(card_file):
    assert read_card(card_file({"name": "Mog", "description": "x"})).format.startswith("card V1")
    assert read_card(card_file({"data": v2()["data"]})).format.startswith("card V2 without 'spec'")


def test_a_wrong_checksum_is_a_warning(card_file):
    packed = chunk(b"tEXt", b"chara\0" + pack(v2()), crc=1)

    card = read_card(card_file(png(packed)))

    assert card.character.name == "Mog"
    assert any("checksum" in warning for warning in card.warnings)


def test_a_png_cut_off_after_its_card_is_read_with_a_warning(card_file):
    whole = png(text_chunk(v2()))

    card = read_card(card_file(whole[:-20]))

    assert card.character.name == "Mog"
    assert any("cut off" in warning for warning in card.warnings)


def test_a_png_cut_off_inside_its_card_says_so(card_file):
    whole = png(text_chunk(v2(description="long " * 200)), after_image=True)

    with pytest.raises(CardError, match=r"(?s)cut off.*[Dd]ownload the card again"):
        read_card(card_file(whole[: len(whole) - 300]))


def test_content_decides_not_the_extension(card_file):
    assert read_card(card_file(png(text_chunk(v2())), "mog.json")).character.name == "Mog"
    assert read_card(card_file(v2(), "mog.png")).character.name == "Mog"
    assert read_card(card_file(charx(v2()), "mog.txt")).character.name == "Mog"


def charx(value, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", json.dumps(value) if value is not None else "{}")
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_a_zip_bomb_is_refused(card_file):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", b" " * (17 * 2**20))

    with pytest.raises(CardError, match="more than 16 MiB"):
        read_card(card_file(buffer.getvalue(), "bomb.charx"))


def test_a_compressed_text_bomb_is_refused(card_file):
    bomb = chunk(b"zTXt", b"chara\0\0" + zlib.compress(b"A" * (33 * 2**20)))

    with pytest.raises(CardError, match="no card"):
        read_card(card_file(png(bomb)))


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"character_book": None}, lambda c: c.worldview == []),
        ({"character_book": []}, lambda c: c.worldview == []),
        (
            {"character_book": {"entries": {"0": {"content": "Fish.", "insertion_order": ""}}}},
            lambda c: c.worldview == ["Fish."],
        ),
        ({"alternate_greetings": "Hello"}, lambda c: c.source["alternate_greetings"] == "Hello"),
        ({"tags": ""}, lambda c: "tags" not in c.source),
        ({"personality": None}, lambda c: c.tone == []),
        ({"personality": ["Sly.", "Fat."]}, lambda c: c.tone == ["Sly.\nFat."]),
        ({"personality": 7}, lambda c: c.tone == ["7"]),
        ({"scenario": {"text": "x"}}, lambda c: c.worldview == [] and c.source["scenario"] == {"text": "x"}),
        ({"extensions": ""}, lambda c: c.guidelines == []),
        ({"extensions": {"talkativeness": ""}}, lambda c: c.guidelines == []),
        ({"mes_example": "<START>"}, lambda c: c.examples == []),
        ({"first_mes": "\ud83d broken emoji"}, lambda c: c.greeting.endswith("broken emoji")),
        ({"description": "tab\there\r\nend  \r\n"}, lambda c: c.summary == "tab    here\nend"),
    ],
)  # fmt: skip
def test_real_malformations_are_read(card_file, fields, check):
    character = read_card(card_file(v2(**fields), "mog.json")).character

    assert check(character), character
    assert parse_sheet(render_sheet(character), "again") == character


def test_an_empty_name_comes_from_the_file(card_file):
    card = read_card(card_file(v2(name="  "), "default_FluxTheCat_v2.json"))

    assert card.character.name == "Flux The Cat"
    assert any("--name" in warning for warning in card.warnings)


def test_lorebook_entries_become_lines_of_the_world_in_order(card_file):
    entries = [
        {"content": "Second.", "insertion_order": 2, "enabled": True},
        {"content": "@@depth 4\n{{char}} is first.", "insertion_order": "1"},
        {"content": "Off.", "enabled": False, "constant": True},
        {"content": "Also off.", "disable": True},
        {"content": None},
        "not an entry",
    ]

    character = read_card(card_file(v2(character_book={"entries": entries}))).character

    assert character.worldview == ["Mog is first.", "Second."]
    assert len(character.source["character_book"]["entries"]) == 6


def test_a_large_lorebook_is_announced(card_file):
    book = {"entries": [{"content": "word " * 2000}]}

    assert any("very long prompt" in w for w in read_card(card_file(v2(character_book=book))).warnings)


def test_other_encodings_are_read(card_file):
    text = json.dumps(v2(description="Café – {{char}}"), ensure_ascii=False)

    assert read_card(card_file(b"\xef\xbb\xbf" + text.encode())).warnings == ()
    assert "Café" in read_card(card_file(text.encode("utf-16"))).character.summary
    odd = read_card(card_file(text.encode("cp1252")))
    assert odd.character.summary == "Café – Mog"
    assert any("Windows-1252" in warning for warning in odd.warnings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\0\0\0", "is empty"),
        (b"\x89PN", "damaged beginning of a PNG"),
        (png(), "holds no card"),
        (png(chunk(b"tEXt", b"chara\0****")), "base64"),
        (png(chunk(b"tEXt", b"chara\0" + base64.b64encode(b"not json"))), "is not JSON"),
        (b"\xff\xd8\xff\xe0 picture", "JPEG"),
        (b"RIFFxxxxWEBP", "WebP"),
        (b"PK\x03\x04 broken", "archive is damaged"),
        (b"{oops", "line 1, column 2"),
        (b"[1, 2]", "no card"),
        (b"3", "no card"),
        (b"You are a cat.", "--prompt FILE"),
        (b'{"name": "Mog"}', "is no character card"),
        (b'{"entries": {}}', "lorebook"),
        (b'{"messages": []}', "understudy import"),
        (b'{"data": 5}', "'data' must be an object"),
        (b'{"description": ' + b"[" * 3000 + b"]" * 3000 + b"}", "nested|cannot be read"),
        (b'{"description": ' + b"9" * 6000 + b"}", "too many digits"),
        (charx(None), "is no character card"),
    ],
)
def test_what_cannot_be_read_gets_one_clear_message(card_file, content, message):
    with pytest.raises(CardError, match=message) as caught:
        read_card(card_file(content))

    assert "mog.png" in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(CardError, match="no such file"):
        read_card(tmp_path / "nothing.png")
    with pytest.raises(CardError, match="is a folder"):
        read_card(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELD = st.sampled_from(
    [
        "name",
        "description",
        "first_mes",
        "mes_example",
        "character_book",
        "extensions",
        "tags",
        "nickname",
        "data",
    ]
)


def read_or_refuse(path) -> None:
    """Whatever the file holds: a character that reads back, or a CardError."""
    try:
        character = read_card(path).character
    except CardError:
        return
    assert isinstance(character, Character)
    assert parse_sheet(render_sheet(character), "again") == character


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(fields=st.dictionaries(FIELD, JSON, max_size=5), top=st.dictionaries(FIELD, JSON, max_size=2))
def test_cards_with_wrong_types_are_read_or_refused(card_file, fields, top):
    read_or_refuse(card_file({**v2(**fields), **top}, "mog.json"))


@FUZZ
@given(data=st.binary(max_size=200), start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"{"]))
def test_random_bytes_are_refused_with_a_card_error(card_file, data, start):
    read_or_refuse(card_file(start + data))


@FUZZ
@given(data=st.data())
def test_damaged_pictures_are_read_or_refused(card_file, data):
    whole = bytearray(png(text_chunk(v2()), chunk(b"zTXt", b"ccv3\0\0" + zlib.compress(pack(v2())))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(card_file(bytes(whole[: data.draw(st.integers(8, len(whole)))])))


@FUZZ
@given(data=st.data())
def test_damaged_archives_are_read_or_refused(card_file, data):
    whole = bytearray(charx(v2()))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(card_file(bytes(whole), "mog.charx"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["{{//" * 100_000, "\n " * 100_000 + "{{user}}", ", " * 100_000, "<START>" * 50_000]
)
def test_odd_shapes_are_read_in_reasonable_time(card_file, text):
    assert (
        read_card(card_file(v2(description=text, first_mes=text, mes_example=text))).character.name == "Mog"
    )


def test_a_device_is_refused():
    with pytest.raises(CardError, match=r"^/dev/zero: is a device or pipe"):
        read_card(Path("/dev/zero"))
