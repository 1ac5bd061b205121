"""A hundred faulty files: the right message at the right line, and --fix never makes a worse one."""

import json
from collections import Counter

import pytest
from faulty_files import GOOD, GOOD_PAIRS, PREFERENCE, SUPERVISED, WHOLE
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.dataset import check_file
from understudy.dataset.mending import mend_file, mend_row
from understudy.errors import ConfigError, DatasetError

LINES = [("supervised", *entry) for entry in SUPERVISED] + [("dpo", *entry) for entry in PREFERENCE]


def test_there_are_a_hundred_of_them():
    assert len(LINES) + len(WHOLE) >= 100
    assert len({line for _, line, _, _ in LINES}) == len(LINES)


@pytest.mark.parametrize(("method", "line", "message", "mended"), LINES)
def test_the_bad_line_is_named_and_mended_or_left_out(tmp_path, method, line, message, mended):
    good = GOOD if method == "supervised" else GOOD_PAIRS
    path, fixed = tmp_path / "bad.jsonl", tmp_path / "fixed.jsonl"
    path.write_text("\n".join([*good, line]) + "\n", encoding="utf-8", errors="surrogatepass")

    result = check_file(path, method=method)
    mending = mend_file(path, fixed, method)

    errors = [problem for problem in result.problems if problem.severity == "error"]
    assert {problem.line for problem in errors} == {13}
    assert any(message in f"{problem.message} {problem.remedy}" for problem in errors), errors
    assert all(problem.remedy for problem in result.problems)
    assert check_file(fixed, method=method).ok
    assert mending.examples == 12 + mended
    assert mending.left_out_count == 1 - mended
    if not mended:
        assert mending.left_out[0][0] == 13


@pytest.mark.parametrize(("content", "message", "mended"), WHOLE)
def test_whole_files_are_named_and_mended_where_possible(tmp_path, content, message, mended):
    path, fixed = tmp_path / "bad.jsonl", tmp_path / "fixed.jsonl"
    path.write_bytes(content)

    assert any(message in problem.message for problem in check_file(path).problems)

    if mended:
        mend_file(path, fixed)
        assert check_file(fixed).ok
    elif not content.strip():
        with pytest.raises(DatasetError):
            mend_file(path, fixed)
        assert not fixed.exists()


def test_what_was_said_is_never_changed(tmp_path):
    path, fixed = tmp_path / "bad.jsonl", tmp_path / "fixed.jsonl"
    path.write_text("\n".join([*GOOD, GOOD[0], *(line for line, *_ in SUPERVISED)]), errors="surrogatepass")

    mending = mend_file(path, fixed)

    rows = [json.loads(line) for line in fixed.read_text(encoding="utf-8").split("\n") if line]
    assert [json.dumps(row) for row in rows[:12]] == [json.dumps(json.loads(line)) for line in GOOD]
    assert mending.mends["repeated example left out"] >= 1
    assert len(rows) == mending.examples


def test_a_file_that_exists_is_never_written_over(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(GOOD))

    with pytest.raises(ConfigError, match="exists already"):
        mend_file(path, path)
    (tmp_path / "worse.jsonl").write_text("{}\n{oops\n")
    with pytest.raises(DatasetError, match="nothing in it can be mended"):
        mend_file(tmp_path / "worse.jsonl", tmp_path / "new.jsonl")
    assert not (tmp_path / "new.jsonl").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "weight", "name", "from", "value", "tool_calls", "type", "x"]
            ),
            inner | st.sampled_from(["user", "assistant", "system", "gpt", "tool"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
ROWS = VALUES | st.fixed_dictionaries(
    {"messages": st.lists(VALUES, max_size=4)},
    optional={"tools": VALUES, "x": VALUES, "conversations": VALUES},
)


@settings(max_examples=300, deadline=None)
@given(row=ROWS, method=st.sampled_from(["supervised", "dpo", "reinforcement"]))
def test_mending_any_row_gives_a_sound_one_or_a_reason(row, method):
    mended, reason = mend_row(row, method, Counter())

    assert (mended is None) == bool(reason)
    if mended is not None:
        again, _ = mend_row(mended, method, done := Counter())
        assert json.dumps(again) == json.dumps(mended)
        assert not done
