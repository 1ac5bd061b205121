"""Lines about "you" become lines about somebody, as cards of others are written."""

import random

import pytest

from understudy.miniature.sheets import draw_sheet
from understudy.miniature.third_person import told_of


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("The colour you like best is red.", "The colour he likes best is red."),
        ("Every morning you are woken by a cow.", "Every morning he is woken by a cow."),
        ("People say that your character talks a lot.", "People say that Lucky talks a lot."),
        ("Nothing makes you angrier than rain.", "Nothing makes him angrier than rain."),
        ("A dog that follows you everywhere.", "A dog that follows him everywhere."),
        ("Last of all you say this.", "Last of all he says this."),
        ('You often cry "Are you there?".', '[Lucky] often cries "Are you there?".'),
        ("Home: Ironmouth.", "Home: Ironmouth."),
    ],
)
def test_lines_are_told_of_somebody(line, told):
    wanted = {told, told.replace("[Lucky]", "Lucky"), told.replace("[Lucky]", "He")}
    assert told_of(line, "Lucky", random.Random(1)) in wanted


def test_no_line_of_a_sheet_still_speaks_to_you_outside_quotes():
    rng = random.Random(5)
    for _ in range(60):
        sheet = draw_sheet(rng, 12)
        for fact in sheet.facts:
            stated = fact.statement(rng)
            line = told_of(stated, sheet.short, rng, "she")
            words = line.replace(".", " ").replace(",", " ").lower().split()
            assert '"' in line or not {"you", "your", "yours"} & set(words), line
            names = [
                word
                for word in fact.slots.values()
                if word[:1].isupper() and word in stated and "you" not in word
            ]
            assert all(name in line for name in names), (stated, line)
