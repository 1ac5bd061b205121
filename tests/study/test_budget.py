"""Schedules: as many steps as asked for, whatever the size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy.study.budget import MOST_EPOCHS, schedule
from understudy.study.cell_folder import filled_up


@given(st.integers(1, 5000), st.integers(1, 64), st.integers(1, 3000))
def test_steps_are_equal_and_every_example_is_seen(examples, batch_size, steps):
    if -(-examples // batch_size) > steps:
        with pytest.raises(ConfigError, match="or for fewer dialogues"):
            schedule(examples, batch_size, steps)
        return

    planned = schedule(examples, batch_size, steps)

    per_pass = -(-planned.rows // batch_size)
    assert planned.rows >= examples
    assert planned.epochs <= MOST_EPOCHS
    assert planned.epochs * per_pass == planned.steps
    # At most one step is missing for each pass, so never more than one in as many as a pass has.
    assert steps - planned.steps < planned.epochs


@pytest.mark.parametrize(
    ("examples", "expected"), [(25, 200), (50, 196), (100, 195), (200, 200), (400, 200), (717, 200)]
)
def test_usual_sizes_differ_by_less_than_one_in_thirty(examples, expected):
    assert schedule(examples, 8, 200).steps == expected


def test_the_file_is_filled_up_with_distinct_examples():
    rows = [[{"role": "user", "content": str(i)}] for i in range(717)]

    filled = filled_up(rows, schedule(717, 8, 200), seed=1)

    assert len(filled) == 800
    assert filled[:717] == rows
    again = [row[0]["content"] for row in filled[717:]]
    assert len(set(again)) == 83
    assert filled == filled_up(rows, schedule(717, 8, 200), seed=1)
    assert filled != filled_up(rows, schedule(717, 8, 200), seed=2)
