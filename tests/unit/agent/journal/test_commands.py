"""Nothing accepted is lost, nothing finished is done again, whenever the agent dies."""

from __future__ import annotations

import stat
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from opensiterecovery.provider.v1.command_pb2 import (
    Command,
    CommandResult,
    HostRefreshed,
    RefreshHost,
)

from agent.journal.commands import CommandJournal, UnknownCommandError
from agent.journal.database import Database, JournalError
from agent.journal.states import CommandState, IllegalTransitionError
from tests.unit.agent.memory_keys import SetClock

ONE = "11111111-1111-4111-8111-111100000000"
TWO = "22222222-2222-4222-8222-222200000000"


def command(command_id: str = ONE, host: str = "hv1") -> Command:
    return Command(command_id=command_id, refresh_host=RefreshHost(host=host))


def result(command_id: str = ONE, host: str = "hv1") -> CommandResult:
    return CommandResult(command_id=command_id, host_refreshed=HostRefreshed(host=host))


def opened(path: Path, clock: SetClock | None = None) -> CommandJournal:
    return CommandJournal(Database(path), clock or SetClock())


def test_the_journal_is_private_and_durable(journal_path: Path) -> None:
    database = Database(journal_path)
    CommandJournal(database, SetClock()).accept(command())
    for file in journal_path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(journal_path.parent.stat().st_mode) == 0o700
    with database.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    database.close()


@pytest.mark.spec("JB-3")
def test_a_command_delivered_again_is_known(journal_path: Path) -> None:
    journal = opened(journal_path)
    assert journal.accept(command()) is None
    known = journal.accept(command(host="another host altogether"))
    assert known is not None
    assert known.state is CommandState.ACCEPTED
    assert known.command == command()
    assert known.result is None


@pytest.mark.spec("EN-10")
def test_a_result_is_kept_until_the_coordinator_has_it(journal_path: Path) -> None:
    journal = opened(journal_path)
    journal.accept(command())
    journal.start(ONE)
    journal.finish(result())
    journal = opened(journal_path)
    assert journal.unstored_results() == [result()]
    journal.mark_stored(ONE)
    journal.mark_stored(ONE)
    assert journal.unstored_results() == []
    known = journal.accept(command())
    assert known is not None
    assert known.result == result()


def test_results_and_unfinished_commands_come_in_the_order_of_their_arrival(
    journal_path: Path,
) -> None:
    clock = SetClock()
    journal = opened(journal_path, clock)
    for command_id in (TWO, ONE):
        journal.accept(command(command_id))
        clock.advance(1)
    assert [entry.command.command_id for entry in journal.unfinished()] == [TWO, ONE]
    for command_id in (ONE, TWO):
        journal.finish(result(command_id))
    assert [each.command_id for each in journal.unstored_results()] == [TWO, ONE]


def test_what_cannot_happen_is_refused(journal_path: Path) -> None:
    journal = opened(journal_path)
    for change in (journal.start, journal.mark_stored):
        with pytest.raises(UnknownCommandError):
            change(ONE)
    with pytest.raises(UnknownCommandError):
        journal.finish(result())
    journal.accept(command())
    with pytest.raises(IllegalTransitionError):
        journal.mark_stored(ONE)
    journal.finish(result())
    with pytest.raises(IllegalTransitionError):
        journal.finish(result(host="other"))
    with pytest.raises(IllegalTransitionError):
        journal.start(ONE)
    assert journal.unstored_results() == [result()]


def test_only_stored_results_are_forgotten_after_their_time(journal_path: Path) -> None:
    clock = SetClock()
    journal = opened(journal_path, clock)
    for command_id in (ONE, TWO):
        journal.accept(command(command_id))
        journal.finish(result(command_id))
    journal.mark_stored(ONE)
    clock.advance(3600)
    assert journal.prune(timedelta(hours=2)) == 0
    clock.advance(3601)
    assert journal.prune(timedelta(hours=2)) == 1
    assert journal.counts() == {
        CommandState.ACCEPTED: 0,
        CommandState.STARTED: 0,
        CommandState.FINISHED: 1,
        CommandState.STORED: 0,
    }


@pytest.mark.parametrize("content", [b"this is no database, and long enough to be read as one" * 4])
def test_a_file_that_is_no_journal_is_refused(journal_path: Path, content: bytes) -> None:
    journal_path.parent.mkdir()
    journal_path.write_bytes(content)
    with pytest.raises(JournalError):
        Database(journal_path)
    assert journal_path.read_bytes() == content


def test_a_journal_of_a_newer_agent_is_refused(journal_path: Path) -> None:
    database = Database(journal_path)
    with database.reading() as connection:
        connection.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match="newer"):
        Database(journal_path)


class JournalMachine(RuleBasedStateMachine):
    """Deliveries, work and crashes in any order, against what must be true of them."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.sqlite3"
        self.journal = opened(self.path)
        self.accepted: set[str] = set()
        self.finished: dict[str, CommandResult] = {}
        self.stored: set[str] = set()

    @rule(number=st.integers(0, 5))
    def deliver(self, number: int) -> None:
        command_id = f"{number:08d}-0000-4000-8000-000000000000"
        known = self.journal.accept(command(command_id))
        assert (known is None) == (command_id not in self.accepted)
        if known is not None:
            assert known.result == self.finished.get(command_id)
        self.accepted.add(command_id)

    @precondition(lambda self: self.accepted - set(self.finished))
    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        command_id = data.draw(st.sampled_from(sorted(self.accepted - set(self.finished))))
        self.journal.start(command_id)

    @precondition(lambda self: self.accepted - set(self.finished))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        command_id = data.draw(st.sampled_from(sorted(self.accepted - set(self.finished))))
        done = result(command_id, host=f"result {len(self.finished)}")
        self.journal.finish(done)
        self.finished[command_id] = done

    @precondition(lambda self: self.finished)
    @rule(data=st.data())
    def store(self, data: st.DataObject) -> None:
        command_id = data.draw(st.sampled_from(sorted(self.finished)))
        self.journal.mark_stored(command_id)
        self.stored.add(command_id)

    @precondition(lambda self: self.finished)
    @rule(data=st.data())
    def run_a_finished_one_again(self, data: st.DataObject) -> None:
        command_id = data.draw(st.sampled_from(sorted(self.finished)))
        with pytest.raises(IllegalTransitionError):
            self.journal.start(command_id)

    @rule()
    def crash(self) -> None:
        # The object is dropped without being closed, like a process that was killed.
        self.journal = opened(self.path)

    @invariant()
    def nothing_accepted_is_lost_and_nothing_finished_waits_to_run(self) -> None:
        if not hasattr(self, "journal"):
            return
        unfinished = {entry.command.command_id for entry in self.journal.unfinished()}
        assert unfinished == self.accepted - set(self.finished)
        unstored = {each.command_id: each for each in self.journal.unstored_results()}
        assert unstored == {
            key: value for key, value in self.finished.items() if key not in self.stored
        }

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestJournalMachine = pytest.mark.spec("JB-3")(JournalMachine.TestCase)
TestJournalMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
