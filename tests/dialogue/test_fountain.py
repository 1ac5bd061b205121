"""Fountain screenplays: names, forced names, parentheticals, notes, sections and transitions."""

from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues, read_source

# Two blanks keep a speech going.
SCRIPT = """Title: The Lamps
Author: Understudy

# Act One

INT. HALL - NIGHT

The lamps flicker. /* cut this
OPHELIA
not a speech */

OPHELIA (V.O.)
(softly)
Who blew out *the* lamps?[[rhyme?]]
@@
I did not.

TRAVELLER ^
The wind, princess.

@McGregor
Aye.

CUT TO:

EXT. HARBOUR - DAY

> FADE OUT.

SIGNS EVERYWHERE.

OPHELIA
~Row, row, my lantern
""".replace("@@", "  ")


def read(tmp_path, text=SCRIPT):
    path = tmp_path / "lamps.fountain"
    path.write_text(text, encoding="utf-8")
    return read_source(path, ImportOptions())


def test_speeches_have_names_words_scenes_and_sections(tmp_path):
    reading = read(tmp_path)

    spoken = [(line.speaker, line.text, line.group) for line in reading.lines if line.speaker]
    assert spoken == [
        ("OPHELIA", "(softly) Who blew out the lamps? I did not.", "Act One"),
        ("TRAVELLER", "The wind, princess.", "Act One"),
        ("McGregor", "Aye.", "Act One"),
        ("OPHELIA", "Row, row, my lantern", "Act One"),
    ]
    assert reading.lines[-1].scene != reading.lines[1].scene
    assert next(line.source for line in reading.lines if line.speaker) == "lamps.fountain:12"


def test_action_in_capitals_is_no_name(tmp_path):
    assert not any(line.speaker == "SIGNS EVERYWHERE." for line in read(tmp_path).lines)


def test_it_is_recognised_without_its_ending(tmp_path):
    path = tmp_path / "screenplay.txt"
    path.write_text(SCRIPT, encoding="utf-8")

    assert read_source(path, ImportOptions()).format == "Fountain screenplay"


def test_parentheticals_follow_the_option(make_character):
    folder, path = make_character("Ophelia", "lamps.fountain", SCRIPT.replace("OPHELIA (V.O.)", "OPHELIA"))
    swapped = path.read_text().replace("@McGregor\nAye.", "OPHELIA\n(laughs)\nNo!")
    path.write_text(swapped)

    import_dialogues(folder, path, ImportOptions(stage_directions="asterisks"))

    assert load_dialogues(folder.dialogues)[0].messages[-1].content == "*laughs* No!"
