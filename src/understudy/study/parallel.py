"""Parallel: cells spread over workers with Ray, each with a server and a device of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.client.provider import LOCAL
from understudy.errors import EvaluationError, MissingExtraError, UnderstudyError
from understudy.folder import CharacterFolder
from understudy.study.cell_plan import CellPlan
from understudy.study.pace import Pace
from understudy.study.site import Site

if TYPE_CHECKING:
    from understudy.study.run_cells import Listener, Measured

__all__ = ["require_ray", "run_parallel", "worker_home"]


def worker_home(number: int) -> Path:
    """Where a worker's server keeps its models: one below the usual home for each worker."""
    from understudy.client import embedded

    return embedded.home_directory() / "study-workers" / f"worker-{number}"


def run_parallel(
    site: Site,
    missing: Sequence[tuple[int, CellPlan]],
    total: int,
    workers: int,
    pace: Pace,
    result: Measured,
    hears: Listener,
) -> None:
    """Measure the cells on several workers; each takes the next one when it is free.

    On a machine with GPUs every worker gets one, else a core. Workers of other machines write to the same
    folder, so it must be shared among them. What a worker measured is kept in the cell's folder; the servers
    are stopped at the end.

    Args:
        missing: Cells with their numbers, of ``total``.
        result: What is found is added here.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    ray = require_ray()
    started = not ray.is_initialized()
    if started:
        ray.init(address=os.environ.get("RAY_ADDRESS"), include_dashboard=False, log_to_driver=False)
    try:
        _share_out(ray, site, missing, total, workers, pace, result, hears)
    finally:
        if started:
            ray.shutdown()


def require_ray() -> Any:
    """Ray, or the line that installs it.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError(
            "Several workers need Ray. Install it with: pip install 'understudy[ray]'   "
            "(or leave --workers out)"
        ) from None
    return ray


def _share_out(
    ray: Any,
    site: Site,
    missing: Sequence[tuple[int, CellPlan]],
    total: int,
    workers: int,
    pace: Pace,
    result: Measured,
    hears: Listener,
) -> None:
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    remote = ray.remote(num_cpus=1, num_gpus=gpus)(_Worker)
    count = min(workers, len(missing))
    hands = [remote.remote(_told(site), str(worker_home(number))) for number in range(1, count + 1)]
    waiting = list(missing)
    running: dict[Any, tuple[Any, CellPlan]] = {}
    try:
        while waiting or running:
            while waiting and hands:
                number, plan = waiting.pop(0)
                hand = hands.pop()
                left = [plan, *(other for _, other in waiting), *(p for _, p in running.values())]
                hears.cell(number, total, plan, pace.seconds(left, count))
                running[hand.measure.remote(plan)] = (hand, plan)
            ready, _ = ray.wait(list(running), num_returns=1)
            hand, plan = running.pop(ready[0])
            hands.append(hand)
            _take(ray, ready[0], plan, site, pace, result, hears)
    finally:
        hands += [hand for hand, _ in running.values()]
        ray.get([hand.close.remote() for hand in hands], timeout=120)


def _take(
    ray: Any, reference: Any, plan: CellPlan, site: Site, pace: Pace, result: Measured, hears: Listener
) -> None:
    """Read what a worker left, or note why it did not."""
    from understudy.study.measurement import load_measurement

    try:
        problem, seconds = ray.get(reference)
    except ray.exceptions.RayError as fault:
        problem, seconds = f"The worker ended: {str(fault).splitlines()[0]}", 0.0
    found = load_measurement(site.place / plan.cell.name)
    if problem or found is None:
        error = EvaluationError(
            problem or "The worker left no figures here; is the character's folder shared with it?"
        )
        result.failed[plan.cell.name] = str(error)
        hears.failed(plan, error)
        return
    result.cells[plan.cell.name] = found
    pace.note(plan, seconds)
    hears.done(plan, found)


def _told(site: Site) -> dict[str, Any]:
    """What a worker is told of the site. It finds the provider's key in its own environment: keys are sent to
    nobody."""
    name, dialect = site.provider.name, site.provider.dialect
    known = dialect.name if dialect.base_url else ""
    address = (
        None if name == LOCAL else f"{known}={site.provider.base_url}" if known else site.provider.base_url
    )
    return {
        "folder": str(site.folder.root.resolve()),
        "place": str(site.place.resolve()),
        "provider": address,
        "base": site.base,
        "quick": site.quick,
        "concurrency": site.concurrency,
    }


class _Worker:
    """Lives in a process of Ray's and measures one cell after the other with a server of its own."""

    def __init__(self, told: dict[str, Any], home: str) -> None:
        from understudy.client import resolve_provider

        os.environ["UNDERSTUDY_HOME"] = home
        provider = resolve_provider(told["provider"], allow_paid=True)
        folder, place = CharacterFolder(Path(told["folder"])), Path(told["place"])
        self._site = Site(folder, place, provider, told["base"], told["quick"], told["concurrency"])
        self._bench: Any = None

    def measure(self, plan: CellPlan) -> tuple[str, float]:
        """What went wrong, or nothing, and the seconds it took."""
        import time

        began = time.monotonic()
        try:
            self._bench = self._bench or self._site.open_bench()
            self._site.measure_cell(self._bench, plan)
        except UnderstudyError as error:
            return str(error), time.monotonic() - began
        return "", time.monotonic() - began

    def close(self) -> None:
        """Stop the server of this worker."""
        from understudy.client import stop_server

        if self._site.provider.name == "local":
            stop_server()
