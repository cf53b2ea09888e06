"""Host keys and the inventory base survive a restart; keys are private and leave no trace."""

from __future__ import annotations

from pathlib import Path

from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.journal.inventory_base import JournalInventoryBase
from agent.secret_bytes import SecretBytes
from tests.unit.agent.memory_keys import SetClock

KEY = SecretBytes(b"-----a private key that must not stay-----")


def test_the_first_key_of_a_host_stays_until_it_is_forgotten(journal_path: Path) -> None:
    store = HostKeyStore(Database(journal_path), SetClock())
    assert store.find("hv1") is None
    assert store.keep("HV1", KEY) == KEY
    assert store.keep("hv1", SecretBytes(b"another")) == KEY
    reopened = HostKeyStore(Database(journal_path), SetClock())
    assert reopened.find("hv1") == KEY
    reopened.forget("Hv1")
    reopened.forget("hv1")
    assert store.find("hv1") is None


def test_a_forgotten_key_is_not_in_the_file_any_more(journal_path: Path) -> None:
    database = Database(journal_path)
    store = HostKeyStore(database, SetClock())
    store.keep("hv1", KEY)
    store.forget("hv1")
    database.close()  # folds the write-ahead log into the file
    for file in journal_path.parent.iterdir():
        assert KEY.reveal() not in file.read_bytes(), file


def test_the_inventory_base_is_replaced_whole(journal_path: Path) -> None:
    base = JournalInventoryBase(Database(journal_path))
    assert base.load() == (0, {})
    assert base.revision() == 0
    base.save(7, {("host", "a"): b"1", ("cloud", "b"): b"2"})
    base.save(9, {("host", "a"): b"3"})
    again = JournalInventoryBase(Database(journal_path))
    assert again.load() == (9, {("host", "a"): b"3"})
    assert again.revision() == 9
