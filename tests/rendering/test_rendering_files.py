"""Model directories: what is read from which file, and what is said when one is damaged."""

import json
import shutil
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.errors import ModelError, RenderingError
from understudy.rendering import DEFAULT_TEMPLATE, ChatTemplate, Renderer, Tokenizer
from understudy.rendering import budget as budget_module
from understudy.rendering.capabilities import probe_capabilities

TALK = [{"role": "user", "content": "Hello there."}, {"role": "assistant", "content": "Good morrow!"}]


@pytest.fixture
def directory(tmp_path, model_directories):
    """A copy of the ChatML model that a test may damage."""
    return shutil.copytree(model_directories["chatml"], tmp_path / "model")


def edit(path, **values):
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **values}))


def test_a_template_may_stand_in_the_tokenizers_settings(directory, renderers):
    source = (directory / "chat_template.jinja").read_text()
    (directory / "chat_template.jinja").unlink()
    for value in (
        source,
        [{"name": "tool_use", "template": "x"}, {"name": "default", "template": source}],
        [{"name": "only", "template": source}],
    ):
        edit(directory / "tokenizer_config.json", chat_template=value)
        assert Renderer.load(directory).examples(TALK) == renderers["chatml"].examples(TALK)


def test_several_templates_without_a_default_are_refused(directory):
    (directory / "chat_template.jinja").unlink()
    edit(
        directory / "tokenizer_config.json",
        chat_template=[{"name": n, "template": n} for n in ("rag", "tool_use")],
    )
    with pytest.raises(
        ModelError, match=r"names no 'default' among \['rag', 'tool_use'\].*chat_template\.jinja"
    ):
        Renderer.load(directory)


def test_without_a_template_the_default_one_ends_turns_with_eos(directory):
    (directory / "chat_template.jinja").unlink()
    renderer = Renderer.load(directory)
    assert renderer.template.source == DEFAULT_TEMPLATE
    assert (
        renderer.examples(TALK)[0].text == "User:\nHello there.<|im_end|>\nAssistant:\nGood morrow!<|im_end|>"
    )


def test_without_template_and_end_token_a_model_cannot_be_used(directory):
    (directory / "chat_template.jinja").unlink()
    (directory / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ModelError, match="neither a chat template nor an end-of-sequence token"):
        Renderer.load(directory)


def test_a_template_that_ends_no_reply_needs_an_end_token(directory):
    (directory / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    (directory / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ModelError, match="nothing ends a reply"):
        Renderer.load(directory)


def test_all_end_tokens_stop_a_reply(directory):
    edit(directory / "config.json", eos_token_id=0)
    edit(directory / "generation_config.json", eos_token_id=[0, 1])
    assert Renderer.load(directory).stop_ids == {0, 1, 2}


def test_eos_may_be_known_only_by_its_number(directory):
    (directory / "tokenizer_config.json").write_text("{}")
    edit(directory / "config.json", eos_token_id=2)
    assert Tokenizer.load(directory).eos == "<|im_end|>"


def test_tokens_may_be_declared_as_objects(directory):
    edit(directory / "special_tokens_map.json", bos_token={"content": "<|im_start|>", "lstrip": False})
    assert Tokenizer.load(directory).named["bos_token"] == "<|im_start|>"


def test_stored_padding_and_truncation_are_left_out(directory):
    edit(
        directory / "tokenizer.json",
        truncation={"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
    )
    assert len(Renderer.load(directory).prompt(TALK[:1]).ids) > 3


@pytest.mark.parametrize(("damage", "message"), [
    (lambda d: shutil.rmtree(d), "no such model directory"),
    (lambda d: (d / "tokenizer.json").unlink(), "holds no tokenizer.json"),
    (lambda d: (d / "tokenizer.json").rename(d / "tokenizer.model"), "has only tokenizer.model"),
    (lambda d: (d / "tokenizer.json").write_text("{"), "tokenizer.json: cannot be read as JSON"),
    (lambda d: (d / "tokenizer.json").write_text("[]"), "must hold a JSON object"),
    (lambda d: (d / "tokenizer.json").write_text('{"model": {"type": "Oracle"}}'), "is not a tokenizer"),
    (lambda d: (d / "tokenizer.json").write_bytes(b"\xff\xfe{}"), "cannot be read as JSON"),
    (lambda d: (d / "tokenizer_config.json").write_text("nonsense"), "tokenizer_config.json: cannot be read"),
    (lambda d: (d / "chat_template.jinja").write_text("{% for %}"), "chat_template.jinja: line 1"),
    (lambda d: (d / "chat_template.jinja").write_bytes(b"\xff"), "cannot be read as UTF-8"),
])  # fmt: skip
def test_damaged_files_are_named_with_the_remedy(directory, damage, message):
    damage(directory)
    with pytest.raises(ModelError) as caught:
        Renderer.load(directory)
    assert message in str(caught.value)
    assert str(directory) in str(caught.value)


def test_a_template_that_writes_nothing_is_refused(directory):
    (directory / "chat_template.jinja").write_text("Hello")
    with pytest.raises(RenderingError, match="does not write the messages"):
        Renderer.load(directory)


def test_a_templates_own_words_reach_the_user(directory):
    (directory / "chat_template.jinja").write_text("{{ raise_exception('Only on Sundays') }}")
    with pytest.raises(RenderingError, match="Only on Sundays"):
        Renderer.load(directory)


# The sandbox


def render(source):
    return ChatTemplate(source, {}).render(TALK, add_generation_prompt=False)


@pytest.mark.parametrize("source", [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update({'role': 'x'}) }}",
    "{{ cycler.__init__.__globals__ }}",
    "{% include 'x' %}",
    "{{ ''.__class__ }}{{ (1).__class__.__base__.__subclasses__() }}",
])  # fmt: skip
def test_a_template_cannot_reach_python(source):
    with pytest.raises(RenderingError):
        render(source)


@pytest.mark.parametrize("source", [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% set x = 'a' * 99999 %}{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}",
    "{{ 'a'.ljust(10**11) }}", "{{ 'a' | center(10**11) }}",
    "{% for a in range(99999) %}{{ 'a' * 999 }}{% endfor %}",
    "{{ 'a' * 10**12 }}", "{{ [1] * 10**9 }}", "{{ 9**9**9**9 }}",
    "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
])  # fmt: skip
def test_a_template_cannot_run_or_write_for_ever(source, monkeypatch):
    monkeypatch.setattr(budget_module, "STEPS_LIMIT", 200_000)
    with pytest.raises((RenderingError, ModelError)):
        render(source)


DOUBLED = "{% set ns = namespace(a=START) %}{% for i in range(60) %}{% set ns.a = STEP %}{% endfor %}"


@pytest.mark.parametrize("source", [
    DOUBLED.replace("START", "'aa'").replace("STEP", "ns.a ~ ns.a"),
    DOUBLED.replace("START", "'aa'").replace("STEP", "ns.a + ns.a"),
    DOUBLED.replace("START", "[1]").replace("STEP", "[ns.a, ns.a]") + "{{ ns.a | tojson }}",
    DOUBLED.replace("START", "(1,)").replace("STEP", "(ns.a, ns.a)") + "{{ {ns.a: 1} }}",
    DOUBLED.replace("START", "(1,)").replace("STEP", "(ns.a, ns.a)") + "{{ ns.a == [ns.a] }}",
    "{{ '%999999999d' % 1 }}", "{{ '{:999999999}'.format(1) }}", "{{ '%999999999s' | format('a') }}",
    "{{ ('a' * 99999) | replace('a', 'b' * 99999) }}", "{{ ('a' * 99999).replace('', 'b' * 99999) }}",
    "{{ range(99999) | join('a' * 99999) }}", "{{ ''.join(['a' * 99999] * 99999) }}",
    "{{ ('a\n' * 99999) | indent(99999) }}", "{{ [[[1]]] | tojson(indent=10**8) }}",
    "{{ 1 | round(10**9, 'ceil') }}", "{{ ('f' * 3999999) | int(0, 16) // 3 }}", "{{ lipsum(99999) }}",
    "{% set x %}{% for i in range(99999) %}" + "A" * 9999 + "{% endfor %}{% endset %}",
    "{{ ([[1]] * 99999) | sum(start=[]) }}",
    "{{ " + "(" * 9999 + ")" * 9999 + " }}", "{{ " + "9" * 9999 + " }}",
    "{% for a in b %}" * 50 + "{% endfor %}" * 50, "x" * 999_999,
])  # fmt: skip
def test_no_way_to_grow_is_free(source):
    began = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises((RenderingError, ModelError)):
            render(source)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < 5


def test_a_long_conversation_may_be_copied_as_often_as_templates_do():
    source = (
        "{% set ns = namespace(seen=[]) %}{% for m in messages %}{% set ns.seen = ns.seen + [m] %}"
        "{% set text = m.content.split('</think>')[-1].lstrip('\\n') | trim %}"
        "{{ '<' + m.role + '>' ~ text + '|' }}{{ (messages | length - 1) - loop.index0 }}{% endfor %}"
    )
    talk = [{"role": ("user", "assistant")[i % 2], "content": f"word {i} " * 200} for i in range(400)]
    text = ChatTemplate(source, {}).render(talk, add_generation_prompt=False)
    assert text.count("|") == 400


def test_what_templates_use_is_there():
    source = (
        "{% for m in messages %}{% if loop.index0 == 1 %}{% break %}{% endif %}{{ m | tojson }}{% endfor %}"
        "{{ {'é': '<b>'} | tojson(indent=1) }}{{ strftime_now('%Y-%m-%d') }}"
        "{% generation %}{{ messages | length }}{% endgeneration %}{{ loop is defined }}"
    )
    assert render(source) == ('{"role": "user", "content": "Hello there."}{\n "é": "<b>"\n}2024-07-262False')


def test_loops_keep_their_variables():
    source = "{% for m in messages %}{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% endfor %}"
    assert render(source) == "1/2False 2/2True "


# Tokens


@given(text=st.text(max_size=60))
@settings(max_examples=30, deadline=None)
def test_bytes_of_tokens_join_to_the_text(renderers, text):
    text = text.replace("▁", "")
    for name in ("chatml", "llama2", "mistral", "gemma"):
        tokenizer = renderers[name].tokenizer
        ids, ends = tokenizer.encode_piece(text, after="text")
        assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
        assert tokenizer.decode(ids) == text
        assert ends == sorted(ends)
        assert ends[-1:] == ([len(text)] if text else [])


def test_half_a_character_decodes_to_the_replacement_mark(renderers):
    renderer = renderers["chatml"]
    ids, _ = renderer.tokenizer.encode_piece("😀", after="text")
    assert len(ids) > 1
    assert renderer.decode(ids[:1]) == "\ufffd"
    assert renderer.decode(ids) == "😀"


def test_control_tokens_can_be_left_out(renderers):
    ids = renderers["chatml"].prompt(TALK[:1]).ids
    assert renderers["chatml"].decode(ids, special=False) == "user\nHello there.\nassistant\n"
    assert renderers["chatml"].decode(ids) == renderers["chatml"].prompt(TALK[:1]).text


def test_capabilities_are_found_out(renderers):
    gemma, chatml, smollm3 = (renderers[n].capabilities for n in ("gemma", "chatml", "smollm3"))
    assert not any((gemma.system, gemma.repeated_user, gemma.repeated_assistant, gemma.greeting))
    assert all((chatml.system, chatml.later_system, chatml.repeated_user, chatml.greeting))
    assert not smollm3.later_system  # it drops them without a word
    assert probe_capabilities(renderers["gemma"].template) == gemma
