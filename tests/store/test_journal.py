"""The journal: every fact comes back as it was, and none that was acknowledged is lost."""

import dataclasses
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.errors import InvariantBroken, NeedsOperator
from daemon.core.events import Event, OrderIntent, OrderKind, TradingHalted
from daemon.core.portfolio import Portfolio
from daemon.core.values import Currency, Session
from daemon.store.journal import SqliteJournal
from tests.builders import NINE, SAMSUNG, accepted, created

ROOT = Path(__file__).parents[2]
OWNER = "sim 12345678-01"
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)


def halted(reason: str) -> TradingHalted:
    return TradingHalted(reason=reason, at=NINE)


def open_journal(path: Path, owner: str = OWNER) -> SqliteJournal:
    return SqliteJournal(path, owner=owner)


def facts_in(path: Path) -> list[Event]:
    with open_journal(path) as journal:
        return list(journal.replay())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with open_journal(path) as opened:
        yield opened


# --- Facts of older versions --------------------------------------------------------------------


def body_of(path: Path) -> str:
    with sqlite3.connect(path) as database:
        ((body,),) = database.execute("SELECT body FROM facts")
    database.close()
    return str(body)


def test_a_regular_order_is_written_as_before_sessions_were_known(path: Path) -> None:
    fact = created("a")
    with open_journal(path) as journal:
        journal.append([fact])
    assert body_of(path) == (
        '{"order":"a","intent":{"account":"12345678-01","strategy":"test",'
        '"instrument":"krx:005930","side":"buy","quantity":10,"kind":"limit","limit":"70000",'
        '"time_in_force":"day","reason":"","at_market":false,"request":""},"at":"2026-11-23T00:00:00Z"}'
    )
    assert facts_in(path) == [fact]


def test_the_session_of_any_other_order_is_kept(path: Path) -> None:
    wish = dataclasses.replace(created("a").intent, session=Session.AFTER_MARKET)
    fact = created("a", wish)
    with open_journal(path) as journal:
        journal.append([fact])
    assert '"session":"after_market"' in body_of(path)
    assert facts_in(path) == [fact]


def test_a_number_of_ours_is_written_as_before_routes_were_known(path: Path) -> None:
    fact = accepted("a", "7")
    with open_journal(path) as journal:
        journal.append([fact])
    assert body_of(path) == (
        '{"order":"a","ref":{"day":"2026-11-23","branch":"06010","number":"7"},'
        '"at":"2026-11-23T00:00:00Z"}'
    )
    assert facts_in(path) == [fact]


def test_cash_of_a_journal_that_knew_only_won_is_read_as_won(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([halted("first")])
    raw = sqlite3.connect(path)
    old = (
        '{"account":"12345678-01","cash":"99850000","holdings":[{"instrument":"krx:005930",'
        '"quantity":2,"cost":"150000"}],"at":"2026-11-02T00:00:00Z"}',
        '{"account":"12345678-01","amount":"310","at":"2026-11-02T01:00:00Z"}',
    )
    for kind, body in zip(("AccountReported", "CostsCharged"), old, strict=True):
        raw.execute("INSERT INTO facts (kind, body) VALUES (?, ?)", (kind, body))
    raw.commit()
    raw.close()

    portfolio = Portfolio()
    for fact in facts_in(path):
        portfolio.apply(fact)
    assert portfolio.cash == {Currency.KRW: Decimal(99_849_690)}
    assert portfolio.position(SAMSUNG).quantity == 2


# --- Every fact, as it was ----------------------------------------------------------------------


@cache
def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value a field of this type may have."""
    if hint is Decimal:
        return DECIMALS
    if hint is datetime:
        return st.datetimes(timezones=st.just(UTC))
    if hint is date:
        return st.dates()
    if hint is OrderIntent:
        return st.one_of(intents(OrderKind.LIMIT), intents(OrderKind.MARKET))
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return objects(hint)
    if get_origin(hint) is Mapping:
        key, value = get_args(hint)
        return st.dictionaries(values_of(key), values_of(value), max_size=3)
    if get_origin(hint) is UnionType:
        return st.one_of([values_of(each) for each in get_args(hint)])
    if args := get_args(hint):
        # The only other generic among the facts is a tuple of any length.
        assert args[1:] == (...,), f"teach this test about {hint}"
        return st.lists(values_of(args[0]), max_size=3).map(tuple)
    found: st.SearchStrategy[Any] = st.from_type(hint)
    return found


def objects(made: type, /, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any object of a dataclass."""
    hints = {name: hint for name, hint in get_type_hints(made).items() if name not in fixed}
    return st.builds(made, **{name: values_of(hint) for name, hint in hints.items()}, **fixed)


def intents(kind: OrderKind) -> st.SearchStrategy[Any]:
    limits = DECIMALS.filter(lambda price: price > 0) if kind is OrderKind.LIMIT else st.none()
    return objects(OrderIntent, kind=st.just(kind), limit=limits, quantity=st.integers(min_value=1))


def assert_same(found: Any, expected: Any) -> None:
    """Equal in every part, and of the same types: a `Side` is not the text it is written as."""
    if isinstance(expected, datetime):
        assert (found, found.utcoffset()) == (expected, expected.utcoffset())
        return
    assert type(found) is type(expected)
    if dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, tuple):
        assert len(found) == len(expected)
        for each, other in zip(found, expected, strict=True):
            assert_same(each, other)
    elif isinstance(expected, Decimal):
        assert found.as_tuple() == expected.as_tuple()
    else:
        assert found == expected


@pytest.mark.parametrize("kind", get_args(Event))
def test_every_fact_comes_back_as_it_was(
    kind: type[Event], tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=15, deadline=None)
    @given(st.lists(objects(kind), min_size=1, max_size=5))
    def check(facts: list[Event]) -> None:
        path = tmp_path_factory.mktemp("journal") / "journal.db"
        with open_journal(path) as journal:
            journal.append(facts)
            replayed = list(journal.replay())
        assert replayed == facts
        for found, expected in zip(replayed, facts, strict=True):
            assert_same(found, expected)

    check()


# --- Durable, whole, in order -------------------------------------------------------------------


def test_facts_survive_closing_and_go_on_where_they_ended(path: Path) -> None:
    for run in range(3):
        with open_journal(path) as journal:
            assert len(list(journal.replay())) == 2 * run
            journal.append([halted(f"{run}a"), halted(f"{run}b")])

    assert facts_in(path) == [halted(f"{run}{half}") for run in range(3) for half in "ab"]


def test_an_empty_batch_writes_nothing(journal: SqliteJournal) -> None:
    journal.append([])

    assert list(journal.replay()) == []


def test_a_batch_that_fails_halfway_leaves_nothing(path: Path) -> None:
    open_journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TRIGGER worn BEFORE INSERT ON facts WHEN NEW.body LIKE '%bad sector%' "
            "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
    connection.close()

    with open_journal(path) as journal:
        journal.append([halted("before")])
        with pytest.raises(OSError, match="could not be written"):
            journal.append([halted("one"), created("a"), halted("bad sector"), halted("four")])
        assert list(journal.replay()) == [halted("before")]
        journal.append([halted("after")])
    assert facts_in(path) == [halted("before"), halted("after")]


def test_a_full_disk_is_an_os_error_and_loses_nothing_that_was_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connect_to_a_small_disk(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_to_a_small_disk)
    written: list[Event] = []

    def append_for_ever() -> None:
        while True:
            batch = [halted(f"{len(written)} {half}" + "x" * 2_000) for half in "ab"]
            small.append(batch)
            written.extend(batch)

    with open_journal(path) as small:
        with pytest.raises(OSError, match="full"):
            append_for_ever()
        assert written
        assert list(small.replay()) == written
    monkeypatch.undo()
    assert facts_in(path) == written


WRITER = """
import sys
from pathlib import Path
from daemon.core.events import TradingHalted
from daemon.store.journal import SqliteJournal
from tests.builders import NINE

journal = SqliteJournal(Path(sys.argv[1]), owner=sys.argv[2])
for batch in range(100_000):
    journal.append([TradingHalted(reason=f"{batch}.{part}", at=NINE) for part in range(3)])
    print(batch, flush=True)
"""


def test_a_killed_process_loses_no_acknowledged_fact_and_leaves_no_half_batch(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), OWNER], cwd=ROOT, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        for _ in range(100):
            assert writer.stdout.readline(), "the writer ended too early"
        with pytest.raises(NeedsOperator, match="locked"):
            open_journal(path)
        writer.kill()
        acknowledged = 100 + len(writer.stdout.readlines())
    assert writer.returncode == -signal.SIGKILL

    facts = facts_in(path)
    batches, rest = divmod(len(facts), 3)
    assert rest == 0
    assert acknowledged <= batches <= acknowledged + 1
    assert facts == [halted(f"{batch}.{part}") for batch in range(batches) for part in range(3)]


# --- What needs a person ------------------------------------------------------------------------


def test_the_journal_of_another_account_or_mode_is_not_touched(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([halted("mine")])

    with pytest.raises(NeedsOperator, match=r"has owner 'sim 12345678-01'.*expects 'real"):
        open_journal(path, owner="real 12345678-01")
    assert facts_in(path) == [halted("mine")]


def test_the_journal_of_another_version_is_not_touched(path: Path) -> None:
    open_journal(path).close()
    change(path, "UPDATE meta SET value = '99' WHERE key = 'schema'")

    with pytest.raises(NeedsOperator, match="has schema '99'"):
        open_journal(path)


def test_a_second_opener_is_refused_and_the_first_goes_on(journal: SqliteJournal) -> None:
    with pytest.raises(NeedsOperator, match="locked"):
        open_journal(journal.path)
    journal.append([halted("still here")])

    assert list(journal.replay()) == [halted("still here")]


def test_a_file_that_is_no_journal_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"Dear diary, " * 1_000)

    with pytest.raises(NeedsOperator, match="cannot be opened: file is not a database"):
        open_journal(path)
    assert path.read_bytes() == b"Dear diary, " * 1_000


def test_a_file_cut_short_is_not_opened(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([halted("x" * 100_000)])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)

    with pytest.raises(NeedsOperator, match="cannot be opened"):
        open_journal(path)


@pytest.mark.parametrize(
    "damage",
    [
        "body = '{}'",
        "body = substr(body, 1, length(body) - 1)",
        "body = replace(body, '2026', 'soon')",
        "kind = 'WeatherForecast'",
    ],
)
def test_a_fact_that_cannot_be_read_is_named(path: Path, damage: str) -> None:
    with open_journal(path) as journal:
        journal.append([halted("one"), halted("two"), halted("three")])
    change(path, f"UPDATE facts SET {damage} WHERE sequence = 2")

    with open_journal(path) as journal:
        replay = journal.replay()
        assert next(iter(replay)) == halted("one")
        with pytest.raises(NeedsOperator, match=r"fact 2 \(\w+\) of .* cannot be read"):
            list(replay)


def test_an_intent_that_became_senseless_is_not_replayed(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([created("a")])
    change(path, """UPDATE facts SET body = replace(body, '"quantity":10', '"quantity":0')""")

    with pytest.raises(NeedsOperator, match="must be a whole number"):
        facts_in(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")

    with pytest.raises(NeedsOperator, match="cannot be opened"):
        open_journal(tmp_path / "data" / "journal.db")


def test_only_this_user_reads_the_facts(journal: SqliteJournal) -> None:
    journal.append([halted("private")])

    files = list(journal.path.parent.iterdir())
    assert {file.name for file in files} >= {"journal.db"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def change(path: Path, statement: str) -> None:
    """Alter a closed journal behind its back."""
    connection = sqlite3.connect(path, isolation_level=None)
    assert connection.execute(statement).rowcount == 1
    connection.close()


def test_damaged_pages_are_told_when_they_are_read(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([halted("x" * 1_000) for _ in range(60)])
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 5 * 4096)

    with pytest.raises(NeedsOperator, match=r"damaged|cannot be"):
        facts_in(path)


@pytest.mark.parametrize(
    "table", ["CREATE TABLE meta (k TEXT, v TEXT)", "CREATE TABLE facts (a TEXT, b TEXT)"]
)
def test_a_database_of_another_program_is_not_taken_over(path: Path, table: str) -> None:
    path.parent.mkdir()
    foreign = sqlite3.connect(path)
    foreign.execute(table)
    foreign.close()

    with pytest.raises(NeedsOperator, match="cannot be opened"):
        open_journal(path)


def test_a_refused_file_is_let_go_of(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([halted("kept")])
    whole = path.read_bytes()
    path.write_bytes(b"not a database" + whole[14:])
    with pytest.raises(NeedsOperator):
        open_journal(path)
    path.write_bytes(whole)

    assert facts_in(path) == [halted("kept")]


def test_what_could_not_be_read_back_is_not_written(path: Path) -> None:
    with open_journal(path) as journal:
        with pytest.raises(InvariantBroken, match="TradingHalted cannot be journalled"):
            journal.append([halted("before"), halted("\ud800")])
        assert list(journal.replay()) == []


def test_a_closed_journal_fails_like_a_disk(path: Path) -> None:
    journal = open_journal(path)
    journal.close()

    with pytest.raises(OSError, match="could not be written"):
        journal.append([halted("late")])


# --- Probes -------------------------------------------------------------------------------------


def test_a_probe_is_written_and_is_no_fact(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([halted("before")])
        for _ in range(3):
            journal.probe()
        journal.append([halted("after")])
    assert facts_in(path) == [halted("before"), halted("after")]
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT value FROM meta WHERE key = 'probes'").fetchall() == [("3",)]
    raw.close()


def test_a_probe_fails_where_a_fact_would(path: Path) -> None:
    with open_journal(path) as journal:
        journal._connection.execute("PRAGMA query_only=ON")
        with pytest.raises(OSError, match="could not be written"):
            journal.append([halted("lost")])
        with pytest.raises(OSError, match="could not be written"):
            journal.probe()
        journal._connection.execute("PRAGMA query_only=OFF")
        journal.probe()
