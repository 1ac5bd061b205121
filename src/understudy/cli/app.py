"""The command line: one file per command, one message per error."""

import errno
import sys

import typer

from understudy import __version__
from understudy.cli.build import build_command
from understudy.cli.chat import chat_command
from understudy.cli.check import check_command
from understudy.cli.cost import cost_command
from understudy.cli.curve import curve_command
from understudy.cli.evaluate import evaluate_command
from understudy.cli.export import export_command
from understudy.cli.gate import gate_command
from understudy.cli.generate import generate_command
from understudy.cli.import_ import import_command
from understudy.cli.init import init_command
from understudy.cli.inspect_ import inspect_command
from understudy.cli.judge import judge_command
from understudy.cli.keys import keys_app
from understudy.cli.models import models_command, providers_command
from understudy.cli.plan import plan_command
from understudy.cli.policies import policies_command
from understudy.cli.prefer import prefer_command
from understudy.cli.report import report_command
from understudy.cli.run import run_command
from understudy.cli.serve import serve_command
from understudy.cli.show_mask import show_mask_command
from understudy.cli.study import study_command
from understudy.cli.teach import teach_command
from understudy.cli.train import train_command
from understudy.errors import UnderstudyError
from understudy.secret import redact

__all__ = ["app", "main"]

EPILOG = """Start here:

  understudy init iroh --prompt prompt.txt

  understudy run iroh
"""

app = typer.Typer(
    name="understudy",
    help="Turn a character's long prompt, card or scripts into a cheap fine-tuned chat model, and prove it.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"understudy {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_print_version, is_eager=True
    ),
) -> None:
    pass


app.command("init")(init_command)
app.command("import")(import_command)
app.command("plan")(plan_command)
app.command("generate")(generate_command)
app.command("teach")(teach_command)
app.command("build")(build_command)
app.command("check")(check_command)
app.command("prefer")(prefer_command)
app.command("show-mask")(show_mask_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("judge")(judge_command)
app.command("gate")(gate_command)
app.command("cost")(cost_command)
app.command("report")(report_command)
app.command("curve")(curve_command)
app.command("study")(study_command)
app.command("chat")(chat_command)
app.command("export")(export_command)
app.command("inspect")(inspect_command)
app.command("run")(run_command)
app.command("policies")(policies_command)
app.command("serve")(serve_command)
app.command("models")(models_command)
app.command("providers")(providers_command)
app.add_typer(keys_app, name="keys")


def main() -> None:
    """Run a command. Faults that the user can mend end in one message and exit code 1 or 2."""
    try:
        app()
    except UnderstudyError as error:
        print(f"understudy: {redact(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        place = error.filename or "the disk"
        print(
            f"understudy: {place}: {error.strerror}. Free some space or choose another folder; "
            "what was there is unchanged.",
            file=sys.stderr,
        )
        sys.exit(1)
