"""`postroomd store`, on a database that processes share."""

from __future__ import annotations

import logging
import threading

import psycopg
import pytest
import structlog
from postroom_server.__main__ import cli
from postroom_server.delivery.holding import Holding
from postroom_server.delivery.relays import Relays
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.domain.delivery import DeliveryStatus
from postroom_server.outbox.migrating import CURRENT
from typer.testing import CliRunner

from tests.support.builders import DAY, a_finish
from tests.support.outboxes import accept, claim
from tests.support.service import plain, settings

CLOCK = SystemClock()


@pytest.fixture
def run(tmp_path, url, monkeypatch):
    """Runs a command of the store; its exit code and what it said beside its log."""
    config = settings(tmp_path, {"main": plain(1)})
    monkeypatch.setenv("POSTROOM_STORE__URL", url)
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level

    def command(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["--config", str(config), "store", *words])
        lines = (line for line in result.output.splitlines() if line[:1] != "{")
        return result.exit_code, "\n".join((*lines, ""))

    yield command
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)


def live(outbox, **fields):
    """A delivery accepted now."""
    now = CLOCK.now()
    times = {"accepted_at": now, "due_at": now, "expire_at": Instant(now + DAY)}
    return accept(outbox, **{**times, **fields})


def test_an_empty_database_becomes_a_store(run):
    assert run("migrate") == (0, f"applied: {CURRENT.newest}\n")
    assert run("migrate") == (0, "applied: nothing, it is up to date\n")


def test_an_empty_database_is_not_checked(run):
    code, said = run("check")

    assert (code, "the database is empty" in said) == (3, True)


def test_a_sound_store_is_sound_while_it_is_served(run, join):
    outbox = join()
    live(outbox)
    live(outbox, leased=True)

    assert run("check") == (0, "the store is sound\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM lease", "1 deliveries are under way and leased to nobody, such"),
        ("UPDATE delivery SET status = 1", "1 leases are of deliveries that are not"),
        ("DELETE FROM content", "1 live deliveries have no content, such as "),
    ],
)
def test_what_is_wrong_is_told(run, join, url, damage, said):
    live(join(), leased=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(damage.encode())
    code, words = run("check")

    assert (code, said in words) == (1, True), words


def test_backing_up_is_the_databases_own_affair(run, join, tmp_path):
    join()
    code, said = run("backup", str(tmp_path / "copy.db"))

    assert (code, "pg_basebackup" in said) == (1, True)
    assert not (tmp_path / "copy.db").exists()


def test_a_hold_holds_for_processes_that_run_and_ends_for_them(run, join):
    outbox = join()
    delivery = live(outbox)
    assert run("hold", "--reason", "a test")[0] == 0
    held = claim(outbox, CLOCK.now())
    code, said = run("resume", "--assume", "queued")

    assert held == []
    assert (code, "the hold is over" in said) == (0, True)
    assert [one.id for one in claim(outbox, CLOCK.now())] == [delivery.id]


def test_a_process_that_runs_hears_of_a_hold(run, join):
    holding = Holding(join(), Relays({}))
    before = holding.look()
    run("hold")
    during = holding.look()
    run("resume", "--assume", "uncertain")

    assert (before, during, holding.look()) == (False, True, False)


def test_what_a_process_has_under_way_that_lives_is_not_in_question(run, join):
    outbox = join()
    under_way = live(outbox, leased=True)
    run("hold")
    code, said = run("resume", "--assume", "uncertain")

    assert (code, "0 deliveries were settled" in said) == (0, True)
    assert outbox.holds(under_way)
    assert outbox.save(a_finish(under_way))


def test_what_a_process_left_that_is_gone_is_in_question(run, join):
    outbox = join()
    left = live(outbox, leased=True)
    outbox.close()
    run("hold")
    code, said = run("resume", "--assume", "uncertain")

    assert (code, "1 deliveries were settled" in said) == (0, True)
    assert join().get("default", left.id).status is DeliveryStatus.UNCERTAIN
