"""Two units of work in every order that locks allow: the naive versions end as no serial order does, and the mutations as one."""

from collections.abc import Iterator, Sequence
from types import ModuleType

import pytest

from tests import depth
from tests.clearing import clear
from tests.races import logical_state, naive_works, schedules
from tests.races.interleave_catalogue import SAMPLE, SCENES, THREE, Scene
from tests.races.shared import touched_by
from tests.races.shown_schedules import table

pytestmark = pytest.mark.django_db(transaction=True)

NAIVE = naive_works.tests()


@pytest.fixture
def naive_tables(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[None]:
    """The tables of a module of naive versions, as its own fixture makes them."""
    module: ModuleType = request.getfixturevalue("module")
    make = getattr(module, "naive_tables", None) or module.tables
    making = make.__wrapped__(None)
    next(making)
    _look_again()
    yield
    next(making, None)
    _look_again()


def _look_again() -> None:
    logical_state.tables.cache_clear()
    logical_state.numbered.cache_clear()


@pytest.mark.parametrize(("module", "test"), NAIVE.values(), ids=NAIVE)
def test_each_naive_version_is_found(module: ModuleType, test: naive_works.Test, naive_tables: None) -> None:
    """Nobody says where to stop: a schedule that ends as no serial order does is among those with the fewest changes."""
    with schedules.meeting(naive_works.works_of(module, test)) as met:
        serial = met.serial(is_whole=True)
        found = next((run for run in met.schedules() if schedules.fault(run, serial)), None)
    assert found is not None


FEW, MOST = 8, 30
"""Schedules of two: in `make test`, and in the exhaustive run. Those with the fewest changes come first."""
EVERY = [(scene.name, left) for scene in SCENES.values() for left in scene.names]


def assert_right(scene: Scene, *meetings: Sequence[str], most: int) -> None:
    """Every schedule of each of these ends as a serial order does, and PostgreSQL breaks off none."""
    wrong: list[str] = []
    acts = scene.acts()
    for names in meetings:
        with schedules.meeting([acts[name] for name in names]) as met:
            runs, serial = met.explored(most)
        bad = [run for run in runs if schedules.fault(run, serial)]
        wrong += [f"{scene.name}: {len(bad)} of {len(runs)}\n{table(names, run, serial)}" for run in bad[:1]]
    assert not wrong, "\n\n".join(["", *wrong])


@pytest.mark.parametrize(("scene", "names"), SAMPLE, ids=lambda one: one if isinstance(one, str) else "-".join(one))
def test_two_mutations_end_as_in_a_serial_order(scene: str, names: tuple[str, str], transactional_db: None) -> None:
    """A pair of each kind, with the fewest changes: `python -m tests.races.interleave` shows each as a table."""
    assert_right(SCENES[scene], names, most=MOST if depth.EXHAUSTIVE else FEW)


@pytest.mark.skipif(not depth.EXHAUSTIVE, reason="the exhaustive run does all pairs")
@pytest.mark.parametrize(("scene", "left"), EVERY, ids=map("-".join, EVERY))
def test_all_pairs_that_share_a_row_end_as_in_a_serial_order(scene: str, left: str, transactional_db: None) -> None:
    """Which do is found here: each is done alone, and what it has locked and written is looked at."""
    acts = SCENES[scene].acts()
    mine = touched_by(acts[left])
    pairs = [(left, other) for other in SCENES[scene].names[SCENES[scene].names.index(left) :]]
    sharing = [pair for pair in pairs if mine.meets(touched_by(acts[pair[1]]))]
    clear()
    assert_right(SCENES[scene], *sharing, most=MOST)


@pytest.mark.skipif(not depth.EXHAUSTIVE, reason="the exhaustive run has three meet")
@pytest.mark.parametrize(("scene", "names"), THREE, ids=lambda one: one if isinstance(one, str) else "-".join(one))
def test_three_mutations_end_as_in_a_serial_order(scene: str, names: tuple[str, ...], transactional_db: None) -> None:
    """Where two would not show it: somebody waits for somebody who waits."""
    assert_right(SCENES[scene], names, most=2 * MOST)


def test_what_shares_no_row_need_not_meet(transactional_db: None) -> None:
    """The harness tells by the rows, not by the tables."""
    acts = SCENES["account"].acts()
    name, bio, password, read = (
        touched_by(acts[one]) for one in ("update-name", "update-bio", "revoke-token", "mark-read")
    )
    assert name.meets(bio)
    assert not password.meets(read)
