"""Two workers of Ray on this machine, each with a server of its own."""

import json

import pytest

from understudy.client import resolve_provider
from understudy.study import parallel
from understudy.study.cell import Cell
from understudy.study.cell_plan import Terms, plan_cells
from understudy.study.run_cells import Listener, run_cells
from understudy.study.site import Site


class Heard(Listener):
    def __init__(self):
        self.began, self.ended, self.failures = [], [], []

    def cell(self, number, total, plan, seconds_left):
        self.began.append(plan.cell.name)

    def done(self, plan, measurement):
        self.ended.append(plan.cell.name)

    def failed(self, plan, error):
        self.failures.append(str(error))


def test_without_ray_the_message_says_how_to_get_it(monkeypatch, server, iroh):
    import sys

    from understudy.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "ray", None)
    site = Site(iroh, iroh.root / "study", resolve_provider(None), "gpt-4o-mini")
    cells = [Cell(examples=size, base="gpt-4o-mini") for size in (10, 20)]
    plans = plan_cells(site.material, cells, cells[0], Terms(10, 8))

    with pytest.raises(MissingExtraError, match=r"pip install 'understudy\[ray\]'"):
        run_cells(site, plans, workers=2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(1800)
def test_two_workers_share_the_cells_and_a_second_run_has_nothing_to_do(tmp_path, monkeypatch, iroh):
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    from understudy.client import find_server, stop_server

    monkeypatch.setenv("UNDERSTUDY_HOME", str(tmp_path / "home"))
    site = Site(iroh, iroh.root / "study", resolve_provider(None), "understudy/mini", concurrency=4)
    cells = [Cell(examples=size) for size in (10, 20)]
    plans = plan_cells(site.material, cells, cells[0], Terms(4, 8))
    first, second = Heard(), Heard()
    try:
        measured = run_cells(site, plans, first, workers=2)
        again = run_cells(site, plans, second, workers=2)
    finally:
        stop_server()

    assert not first.failures
    assert sorted(first.ended) == sorted(cell.name for cell in cells) == sorted(measured.cells)
    assert (second.began, again.cells.keys()) == ([], measured.cells.keys())
    # Both workers trained: their servers' homes hold what they made, and neither server runs any more.
    homes = [parallel.worker_home(number) for number in (1, 2)]
    jobs = [json.loads(path.read_text()) for path in iroh.root.glob("study/*/runs/*/job.json")]
    assert len(jobs) == 2
    assert all(home.is_dir() and find_server(home) is None for home in homes)
