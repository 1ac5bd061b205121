"""Voice: one exported int8 model, and how CTranslate2 is asked to speak with it."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from understudy.errors import MissingExtraError, ModelError
from understudy.inference.preamble import common_ids, system_texts
from understudy.inference.prefixes import MIN_PREFIX_TOKENS
from understudy.inference.request import ChatRequest, RequestFailed
from understudy.inference.sampling import seed_number
from understudy.inference.sealed import check_sealed
from understudy.inference.text import ReplyText
from understudy.int8.line import Company, Line
from understudy.int8.parity import read_parity

__all__ = ["AT_ONCE", "DEFAULT_REPLY_TOKENS", "Int8Voice"]

AT_ONCE = 2  # companies that are spoken at once, so that who comes does not wait for a whole reply
DEFAULT_REPLY_TOKENS = 1024
# What the contract knows and CTranslate2 does not do as the contract says.
UNSUPPORTED = ("logprobs", "top_logprobs", "frequency_penalty", "presence_penalty")
_KEPT_BYTES = 512 * 2**20
_TRULY_RANDOM = 2**32 - 1  # CTranslate2's word for the system's random numbers

# The seed is one for the process, and read by each of CTranslate2's threads at its first draw.
_seeding = threading.Lock()

OnToken = Callable[[Line, bool], None]


class Int8Voice:
    """An accepted export, loaded.

    Args:
        folder: As ``understudy export --format ctranslate2`` wrote it.
        threads: Of one reply.

    Raises:
        ModelError: It was not accepted, was changed since, or cannot be read.
        MissingExtraError: CTranslate2 is not installed.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        from understudy.rendering import Renderer

        try:
            import ctranslate2
        except ImportError:
            raise MissingExtraError(
                "Int8 models need the package 'ctranslate2'. Install it: pip install 'understudy[int8]'"
            ) from None
        self.parity = read_parity(folder)
        check_sealed(folder)
        self._library: Any = ctranslate2
        self._folder, self._threads = folder, threads
        self._generator = self._load(AT_ONCE)
        self.renderer = Renderer.load(folder)
        self.stop_ids = frozenset(self.renderer.stop_ids)
        self._names: list[str] = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        self._begins: dict[tuple[str, ...], tuple[int, ...]] = {}  # by system texts
        self._kept: set[tuple[int, ...]] = set()  # beginnings whose keys and values CTranslate2 keeps
        self._speaking = 0
        self._lock = threading.Lock()
        self._wake_threads()

    def _load(self, at_once: int) -> Any:
        try:
            return self._library.Generator(
                str(self._folder), device="cpu", compute_type="int8",
                intra_threads=self._threads, inter_threads=at_once,
            )  # fmt: skip
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"{self._folder}: CTranslate2 cannot load it ({error}). Export it again."
            ) from error

    def _wake_threads(self) -> None:
        """Let each of CTranslate2's threads draw once, so that none takes the seed of a request."""
        both = threading.Barrier(AT_ONCE)

        def draw() -> None:
            self._generator.generate_batch(
                [[self._names[0]]], max_length=1, sampling_topk=0, include_prompt_in_result=False,
                callback=lambda result: both.wait(10) < 0,
            )  # fmt: skip

        with _seeding:
            self._library.set_random_seed(_TRULY_RANDOM)
            threads = [threading.Thread(target=draw) for _ in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    # -- what is asked ----------------------------------------------------------------------

    def lines(self, request: ChatRequest) -> list[Line]:
        """One line for each choice of a request.

        Raises:
            RequestFailed: It asks for what this engine cannot do, or the prompt is too long.
            RenderingError: The template refuses the messages.
        """
        for name in UNSUPPORTED:
            if getattr(request, name):
                raise RequestFailed(
                    f"Unsupported parameter: '{name}' is not supported with this model, which is served in "
                    "int8. Leave it out, or start the server without --int8.",
                    "unsupported_parameter",
                    name,
                )
        prompt = list(self.renderer.prompt(request.messages).ids)
        left = self.parity.context_tokens - len(prompt)
        if left < 1:
            raise RequestFailed(
                f"This model's maximum context length is {self.parity.context_tokens} tokens. However, your "
                f"messages resulted in {len(prompt)} tokens. Please reduce the length of the messages.",
                "context_length_exceeded",
                "messages",
            )
        begin = self._begin(request, prompt)
        room = min(left, request.max_tokens or DEFAULT_REPLY_TOKENS)
        tokenizer = self.renderer.tokenizer
        fresh = tokenizer.prefixes_after_control and prompt[-1] in tokenizer.control_ids
        prefix = self.renderer.reply_prefix or (" " if fresh else "")
        return [
            Line(request, index, begin, prompt[len(begin) :], room, ReplyText(request.stop, prefix))
            for index in range(request.n)
        ]

    def _begin(self, request: ChatRequest, prompt: list[int]) -> tuple[int, ...]:
        """The system prompt's tokens, where they are many and the prompt goes on after them."""
        key = system_texts(request.messages)
        if not key:
            return ()
        if key not in self._begins:
            if len(self._begins) > 64:
                self._begins.clear()
            self._begins[key] = tuple(common_ids(self.renderer, request.messages[: len(key)]))
        begin = self._begins[key]
        goes_on = len(begin) < len(prompt) and tuple(prompt[: len(begin)]) == begin
        return begin if len(begin) >= MIN_PREFIX_TOKENS and goes_on else ()

    # -- speaking ---------------------------------------------------------------------------

    def speak(self, company: Company, on_token: OnToken) -> None:
        """Speak all lines of a company to their ends.

        Args:
            on_token: Called after each token with its line, and whether that is over. From a thread
                of CTranslate2's.

        Raises:
            RuntimeError: CTranslate2 failed.
        """
        if company.first.seed is None:
            self._enter()
            try:
                self._generate(self._generator, company, on_token, company.first.begin)
            finally:
                with self._lock:
                    self._speaking -= 1
        else:
            self._speak_seeded(company, on_token)
        for line in company.lines:
            if not line.over:  # it ended without a word of it
                line.take(-1, b"", stops=True)
                on_token(line, True)

    def _enter(self) -> None:
        """Begin to speak; beginnings that are kept leave when they have become many and nobody speaks."""
        with self._lock:
            tokens = sum(map(len, self._kept))
            if not self._speaking and tokens * self.parity.cache_bytes_per_token > _KEPT_BYTES:
                self._generator.unload_model()
                self._generator.load_model()
                self._kept.clear()
            self._speaking += 1

    def _speak_seeded(self, company: Company, on_token: OnToken) -> None:
        """Speak with random numbers of its own, which takes a thread of its own, and so a generator.

        The weights are loaded for it, which is quick beside a reply.
        """
        released = False
        library = self._library  # see ``_generate``

        def first_token(line: Line, over: bool) -> None:
            nonlocal released
            if not released:
                released = True
                library.set_random_seed(_TRULY_RANDOM)
                _seeding.release()
            on_token(line, over)

        generator = self._load(1)
        _seeding.acquire()
        try:
            self._library.set_random_seed(seed_number(company.first.seed or "") % _TRULY_RANDOM)
            self._generate(generator, company, first_token, ())
        finally:
            if not released:
                self._library.set_random_seed(_TRULY_RANDOM)
                _seeding.release()

    def _generate(self, generator: Any, company: Company, on_token: OnToken, kept: tuple[int, ...]) -> None:
        """One call of CTranslate2; ``kept`` is what it need not read again.

        A thread of CTranslate2's may keep the callback for a moment after the call. Were the callback the
        last to hold the generator, that thread would end it, wait for itself, and abort the process. So
        the callback holds nothing that holds a generator.
        """
        greedy, temperature, top_p, begin = company.first.manner
        lines = company.lines
        failures: list[Exception] = []
        renderer, stop_ids = self.renderer, self.stop_ids

        def heard(result: Any) -> bool:
            line = lines[result.batch_id]
            if line.over:
                return True
            token = int(result.token_id)
            try:
                over = line.take(token, _token_bytes(renderer, token), token in stop_ids)
                on_token(line, over)
            except Exception as error:  # it must not pass through a thread of CTranslate2's
                failures.append(error)
                line.dropped = True
            return line.over

        sampling: dict[str, Any] = {"sampling_topk": 1} if greedy else {
            "sampling_topk": 0, "sampling_topp": top_p, "sampling_temperature": temperature,
        }  # fmt: skip
        if kept:
            sampling["static_prompt"] = self._named(kept)
            sampling["cache_static_prompt"] = self._keeps(kept)
        rest = begin[len(kept) :]
        generator.generate_batch(
            [self._named([*rest, *line.own]) for line in lines],
            max_length=max(line.room for line in lines),
            include_prompt_in_result=False,
            end_token=sorted(self.stop_ids),
            callback=heard,
            **sampling,
        )
        if failures:
            raise failures[0]

    def _keeps(self, begin: tuple[int, ...]) -> bool:
        """Whether the keys and values of a beginning are kept: while there is room for them."""
        with self._lock:
            tokens = sum(map(len, self._kept)) + (0 if begin in self._kept else len(begin))
            if tokens * self.parity.cache_bytes_per_token <= 2 * _KEPT_BYTES:
                self._kept.add(begin)
            return begin in self._kept

    def _named(self, ids: Any) -> list[str]:
        return [self._names[number] for number in ids]


def _token_bytes(renderer: Any, token: int) -> bytes:
    """Bytes that a token adds to a reply; control tokens add none."""
    return b"" if token in renderer.tokenizer.control_ids else renderer.token_bytes(token)
