"""``python -m understudy.api``: the server as client/embedded.py starts it.

The token comes by environment (UNDERSTUDY_SERVER_TOKEN), since command lines are public.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

from understudy.api.server import serve
from understudy.api.settings import DEFAULT_PORT, ServerSettings
from understudy.errors import UnderstudyError
from understudy.secret import Secret, log_without_secrets

TOKEN_VARIABLE = "UNDERSTUDY_SERVER_TOKEN"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m understudy.api", description="The local API server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--allow-host", action="append", default=[], help="further name of this server")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--base", default=None, help="base model that stands in for OpenAI's names")
    parser.add_argument("--embedded", action="store_true", help="started by a client rather than by a person")
    parser.add_argument("--idle-timeout-seconds", type=float, default=None)
    parser.add_argument("--lease-seconds", type=float, default=None, help="silence after which a job is hung")
    parser.add_argument("--training-threads", type=int, default=None, help="threads of a training process")
    parser.add_argument("--inference-processes", type=int, default=None, help="most processes that speak")
    parser.add_argument("--yield", dest="yields", default=None, help="training, chat or none gives way")
    parser.add_argument("--int8", action="append", type=Path, default=[], help="folder of an int8 export")
    parser.add_argument("--training-command", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--inference-command", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--int8-command", default=None, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Serve; 1 where that is impossible."""
    arguments = _arguments()
    log_without_secrets(logging.INFO)
    given = {
        "default_base": arguments.base,
        "lease_seconds": arguments.lease_seconds,
        "training_threads": arguments.training_threads,
        "inference_processes": arguments.inference_processes,
        "yields": arguments.yields,
        "training_command": _command(arguments.training_command),
        "inference_command": _command(arguments.inference_command),
        "int8_command": _command(arguments.int8_command),
    }
    try:
        settings = ServerSettings(
            host=arguments.host,
            port=arguments.port,
            token=Secret(token) if (token := os.environ.pop(TOKEN_VARIABLE, "")) else None,
            allowed_hosts=tuple(arguments.allow_host),
            int8=tuple(arguments.int8),
            embedded=arguments.embedded,
            idle_timeout_seconds=arguments.idle_timeout_seconds,
            **{key: value for key, value in given.items() if value is not None},
        )
        serve(settings)
    except UnderstudyError as error:
        print(f"understudy: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _command(text: str | None) -> tuple[str, ...] | None:
    import shlex

    return tuple(shlex.split(text)) if text else None


if __name__ == "__main__":
    sys.exit(main())
