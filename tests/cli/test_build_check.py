"""``build``, ``check`` and ``show-mask`` as a user types them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import understudy
from understudy.cli.build import build_command
from understudy.cli.check import check_command
from understudy.cli.show_mask import show_mask_command
from understudy.errors import ConfigError, DatasetError, ModelError

app = typer.Typer(pretty_exceptions_enable=False)
app.command("build")(build_command)
app.command("check")(check_command)
app.command("show-mask")(show_mask_command)


def run(*arguments, **environment):
    return CliRunner().invoke(app, list(map(str, arguments)), env=environment)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "ophelia"
    shutil.copytree(Path(understudy.__file__).parent / "examples" / "ophelia", folder)
    result = run("build", folder)
    assert result.exit_code == 0, result.output
    assert "system prompt  mix: 70% with the short prompt" in result.output
    assert re.search(r"training\.jsonl +\d+ +\d+ +\d+ +\d+ +[\d,]+\n", result.output)
    assert f"next: understudy train {folder}" in result.output
    return folder


@pytest.fixture(scope="session")
def model(shared) -> Path:
    return shared / "models" / "tinystories-656k"


def test_a_second_build_says_that_nothing_changed(built):
    assert "Nothing has changed since" in run("build", built).output


def test_build_prints_the_manifest_as_json(built):
    manifest = json.loads(run("build", built, "--json").stdout)
    assert manifest["schema"] == "understudy.dataset/1"
    assert manifest["reused"] is True
    assert sum(c["dialogues"] for c in manifest["counts"].values()) > 200


def test_build_takes_the_recipe_from_flags(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "copy")
    manifest = json.loads(
        run("build", folder, "--json", "--system-prompt", "none", "--shape", "pairs", "--seed", 7).stdout
    )
    recipe = manifest["recipe"]
    assert (recipe["system_prompt"], recipe["shape"], recipe["seed"]) == ("none", "pairs", 7)
    assert manifest["reused"] is False


def test_build_counts_a_local_models_tokens(built, model, tmp_path):
    folder = shutil.copytree(built, tmp_path / "copy")
    assert f"{model.name} tokens" in run("build", folder, "--base", model).output


@pytest.mark.parametrize(("flags", "error"), [
    (("--system-prompt", "short"), ConfigError),
    (("--shape", "x"), ConfigError),
    (("--base", "no such"), ModelError),
])  # fmt: skip
def test_build_refuses_what_it_does_not_know(built, flags, error):
    assert isinstance(run("build", built, *flags).exception, error)


def test_build_needs_a_character(tmp_path):
    assert isinstance(run("build", tmp_path / "nobody").exception, ConfigError)


def test_check_passes_a_built_file(built):
    result = run("check", built / "dataset" / "training.jsonl")
    assert result.exit_code == 0
    assert "0 errors, 0 warnings: the file can be trained on." in result.output


def test_check_shows_all_problems_and_fails(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{oops\n{"messages": [{"role": "user", "content": "Hi"}]}\n')
    result = run("check", path)
    assert result.exit_code == 1
    assert f"{path}:1: error: is not JSON" in result.output
    assert f"{path}:2: error: has no assistant message" in result.output
    assert f"{path}: error: 2 examples found; at least 10 are needed" in result.output
    assert "3 errors, 0 warnings: the file cannot be trained on." in result.output


def test_check_prints_json(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text("{}\n")
    result = run("check", path, "--json", "--method", "dpo")
    values = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (values["ok"], values["method"]) == (False, "dpo")
    assert values["problems"][0]["line"] == 1


def test_warnings_alone_do_not_fail(tmp_path):
    path = tmp_path / "few.jsonl"
    rows = [
        [{"role": "user", "content": f"Hi {i}"}, {"role": "assistant", "content": "Ho"}] for i in range(12)
    ]
    path.write_text("\n".join(json.dumps({"messages": row}) for row in rows))
    result = run("check", path)
    assert result.exit_code == 0
    assert "only 12 examples" in result.output


def test_check_counts_with_a_local_model(built, model):
    result = run("check", built / "dataset" / "training.jsonl", "--model", model, "--max-tokens", 20)
    assert result.exit_code == 1
    assert "learns nothing: it is cut off after 20 of" in result.output


def test_show_mask_marks_the_learned_part(built, model):
    result = run("show-mask", built, "--model", model, "--example", 2, NO_COLOR="1")
    reply = re.search(r"Assistant:\n>>>(.+?)<\|end_story\|><<<", result.output)
    assert result.exit_code == 0
    assert reply
    assert reply[1] in (built / "dataset" / "training.jsonl").read_text().splitlines()[1]
    assert re.search(r"example 2: \d+ tokens, \d+ learned", result.output)


def test_show_mask_uses_colour_where_there_is_one(built, model):
    result = run("show-mask", built, "--model", model, FORCE_COLOR="1", NO_COLOR=None, TERM="xterm-256color")
    assert "\x1b[4;32m" in result.output
    assert ">>>" not in result.output


def test_show_mask_says_when_nothing_is_learned(built, model):
    result = run("show-mask", built, "--model", model, "--max-tokens", 3)
    assert "LEARNS NOTHING" in result.output


def test_show_mask_prints_json(built, model):
    (example,) = json.loads(
        run("show-mask", built / "dataset" / "test.jsonl", "--model", model, "--json").stdout
    )
    assert len(example["ids"]) == len(example["labels"])
    assert [i for i, label in zip(example["ids"], example["labels"], strict=True) if label != -100]


def test_show_mask_names_a_missing_example_or_file(built, model, tmp_path):
    missing = run("show-mask", built, "--model", model, "--example", 99_999).exception
    assert isinstance(missing, ConfigError)
    assert "--example 99999 is not among them" in str(missing)
    assert isinstance(run("show-mask", tmp_path / "no.jsonl", "--model", model).exception, DatasetError)
    (tmp_path / "a b").mkdir()
    assert "no such file. Build a dataset: understudy build '" in str(
        run("show-mask", tmp_path / "a b").exception
    )
    (tmp_path / "bad.jsonl").write_text("[1]\n")
    assert isinstance(run("show-mask", tmp_path / "bad.jsonl", "--model", model).exception, DatasetError)


def test_the_commands_load_nothing_heavy():
    code = (
        "import sys, understudy.cli.build, understudy.cli.check, understudy.cli.show_mask;"
        "print([m for m in ('torch', 'tokenizers', 'jinja2', 'bpe_openai', 'pydantic') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_rendering_and_datasets_need_no_torch():
    code = (
        "import sys, understudy.rendering, understudy.dataset;"
        "print([m for m in ('torch', 'transformers', 'sklearn', 'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def bad_file(tmp_path):
    path = tmp_path / "chats.jsonl"
    rows = [
        {"conversations": [{"from": "human", "value": f"Hi {i}"}, {"from": "gpt", "value": "Ho"}]}
        for i in range(50)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n{oops\n")
    return path


def test_check_mends_to_a_new_file_and_checks_that(tmp_path):
    path = bad_file(tmp_path)
    result = run("check", path, "--fix", tmp_path / "mended.jsonl")
    assert result.exit_code == 0, result.output
    assert "mended: ShareGPT conversation written as messages (50 x)" in result.output
    assert f"left out: {path}:51: is not JSON" in result.output
    assert "0 errors, 0 warnings: the file can be trained on." in result.output
    assert len((tmp_path / "mended.jsonl").read_text().splitlines()) == 50
    assert isinstance(run("check", path, "--fix", tmp_path / "mended.jsonl").exception, ConfigError)


def test_check_shows_codes_tokens_of_families_epochs_and_prices(tmp_path):
    path = tmp_path / "few.jsonl"
    rows = [
        [{"role": "user", "content": f"Hi {i}"}, {"role": "assistant", "content": "Ho"}] for i in range(12)
    ]
    path.write_text("\n".join(json.dumps({"messages": row}) for row in rows))
    flags = ("--model", "gpt-4o-mini", "--model", "gpt-3.5-turbo", "--price", "Nebius=0.5")
    result = run("check", path, *flags)
    assert "[few_examples]" in result.output
    assert "tokens as gpt-3.5-turbo counts them" in result.output
    assert "8 epochs if the service chooses" in result.output
    assert re.search(r"\$\S+  Nebius: .* 0\.50 per million \(yours", result.output)
    values = json.loads(run("check", path, *flags, "--json").stdout)
    assert values["auto_epochs"] == 8
    assert set(values["tokens_by_model"]) == {"gpt-4o-mini", "gpt-3.5-turbo"}
    assert values["quotes"][0]["place"] == "OpenAI"
    assert run("check", path, "--strict").exit_code == 1
    assert isinstance(run("check", path, "--price", "Nebius").exception, ConfigError)


def test_check_looks_for_test_lines_beside_a_built_training_file(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "copy")
    training, test = folder / "dataset/training.jsonl", folder / "dataset/test.jsonl"
    assert f"looked for lines of {test}" in run("check", training).output
    with training.open("a") as file:
        file.write(test.read_text().splitlines()[0] + "\n")
    result = run("check", training)
    assert re.search(
        r"training\.jsonl:\d+: warning: .*nearly the same as a line of test\.jsonl:1", result.output
    )


def test_build_mixes_prompts_and_shows_pictures(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "copy")
    result = run(
        "build", folder, "--mix", "identity=0.5,full=0.1", "--shape", "windows", "--most-protective", 0.05
    )
    assert "10% with the long one" in result.output
    assert re.search(r"protective +\d+ +[45]% █", result.output)
    assert "learned        all: every reply is learned" in result.output
    assert (folder / "dataset/picture.svg").read_text().startswith("<svg")
    for wrong in ("identity", "identity=x", "short=0.1", "identity=-1"):
        assert isinstance(run("build", folder, "--mix", wrong).exception, ConfigError)
