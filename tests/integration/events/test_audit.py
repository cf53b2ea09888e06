"""The audit in PostgreSQL: it only grows, at once from many, and tells when somebody altered it."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from coordinator.cli.audit_chain import AuditWalk, lines_of
from coordinator.config.waiting import wait_for
from coordinator.events.audit.chain import BROKEN
from coordinator.events.audit.checking import verify_chain
from coordinator.events.audit.cutting import cut, old_part, write_export
from coordinator.events.audit.heads import Head, Signer
from coordinator.events.audit.queries import AuditFilters, exported, find_chain, records_of
from coordinator.events.audit.recording import INSTALLATION, ChainOf, Recorder, chain_of_vault
from coordinator.events.audit.verification import Finding
from coordinator.events.models import AuditChain, AuditRecord
from coordinator.failures import RefusedError
from coordinator.vaults.models import Vault
from tests.unit.events.audit.chains import entry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-3")]

SEED = bytes(range(32))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Signer(SEED))


@pytest.fixture
def chain_of() -> ChainOf:
    return ChainOf(uuid4(), "subscription/group/vault")


def written(recorder: Recorder, chain_of: ChainOf, count: int) -> AuditChain:
    for number in range(count):
        recorder.record(chain_of, entry(number))
    chain = find_chain(chain_of.vault_id)
    assert chain is not None
    return chain


def finding(chain: AuditChain, kept: Head | None = None) -> Finding | None:
    return verify_chain(chain.id, Signer(SEED).public, kept).finding


def switch(guards: str) -> None:
    """Switches the triggers of both tables; "{table}" in it is "record" or "chain"."""
    with connection.cursor() as cursor:
        for table in ("record", "chain"):
            statement = f"ALTER TABLE events_audit{table} {guards}"
            cursor.execute(statement.format(table=table))


@contextmanager
def guarded() -> Iterator[None]:
    """As in production; otherwise tests can empty the tables after them."""
    switch("ENABLE TRIGGER USER")
    try:
        yield
    finally:
        switch("DISABLE TRIGGER audit_{table}_truncate")


@contextmanager
def guards_off() -> Iterator[None]:
    """As somebody who owns the database."""
    switch("DISABLE TRIGGER USER")
    try:
        yield
    finally:
        switch("ENABLE TRIGGER USER")
        switch("DISABLE TRIGGER audit_{table}_truncate")


def test_records_follow_each_other(recorder: Recorder, chain_of: ChainOf) -> None:
    chain = written(recorder, chain_of, 5)
    assert chain.last_sequence == 5
    told = verify_chain(chain.id, recorder.signer.public)
    assert (told.records, told.finding) == (5, None)


def test_a_record_goes_with_the_change_it_tells_of(recorder: Recorder, chain_of: ChainOf) -> None:
    chain = written(recorder, chain_of, 1)
    with transaction.atomic():
        recorder.record(chain_of, entry(1))
        transaction.set_rollback(True)
    recorder.record(chain_of, entry(2))
    assert AuditRecord.objects.filter(chain=chain).count() == 2
    assert finding(chain) is None


def test_vaults_have_chains_of_their_own_that_outlive_them(recorder: Recorder) -> None:
    vault = Vault.objects.create(
        subscription_id=uuid4(),
        resource_group="group",
        name="vault",
        location="here",
        created_at=timezone.now(),
    )
    chain_of = chain_of_vault(vault)
    recorder.record(INSTALLATION, entry(0))
    chain = written(recorder, chain_of, 2)
    assert chain.last_sequence == 2
    vault.delete()
    recorder.record(chain_of, entry(2))
    assert finding(chain) is None
    assert AuditRecord.objects.filter(chain=chain).count() == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events_auditrecord SET action = 'x' WHERE sequence = 2",
        "DELETE FROM events_auditrecord WHERE sequence = 2",
        "DELETE FROM events_auditchain",
        "UPDATE events_auditchain SET last_sequence = 1",
        "UPDATE events_auditchain SET first_sequence = 0",
        "UPDATE events_auditchain SET vault_id = NULL",
        "TRUNCATE events_auditrecord",
        "TRUNCATE events_auditchain CASCADE",
    ],
)
def test_the_database_refuses_to_change_or_delete_what_was_written(
    recorder: Recorder, chain_of: ChainOf, statement: str
) -> None:
    chain = written(recorder, chain_of, 3)
    with (
        guarded(),
        pytest.raises(ProgrammingError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert finding(chain) is None
    assert AuditRecord.objects.count() == 3


COLUMNS = [
    field.column
    for field in AuditRecord._meta.concrete_fields
    if field.column not in {None, "chain_id"}
]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_in_any_column_of_a_record_is_found(
    recorder: Recorder, chain_of: ChainOf, column: str
) -> None:
    chain = written(recorder, chain_of, 4)
    changed = {
        "sequence": "sequence + 10",
        "at": "at + interval '1 microsecond'",
        "status": "status + 1",
        "changed_fields": """'["x"]'""",
        "details": """'{"x": "y"}'""",
        "hash": r"set_byte(hash, 5, get_byte(hash, 5) # 1)",
    }.get(column, f"{column} || 'x'")
    with guards_off(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE events_auditrecord SET {column} = {changed} WHERE chain_id = %s AND"
            " sequence = 2",
            [chain.id],
        )
    found = finding(chain)
    assert found is not None
    assert found.sequence == 2


@pytest.mark.parametrize(
    "change",
    [
        "last_sequence = last_sequence - 1",
        "last_sequence = last_sequence + 1",
        "last_hash = set_byte(last_hash, 31, get_byte(last_hash, 31) # 1)",
        "signature = set_byte(signature, 0, get_byte(signature, 0) # 1)",
        "first_sequence = 2",
        "base_hash = set_byte(base_hash, 0, 1)",
    ],
)
def test_a_change_of_a_head_or_a_beginning_is_found(
    recorder: Recorder, chain_of: ChainOf, change: str
) -> None:
    chain = written(recorder, chain_of, 4)
    with guards_off(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE events_auditchain SET {change} WHERE id = %s", [chain.id])
    assert finding(chain) is not None


def test_a_removed_record_and_a_removed_tail_are_found(
    recorder: Recorder, chain_of: ChainOf
) -> None:
    chain = written(recorder, chain_of, 4)
    with guards_off():
        AuditRecord.objects.filter(chain=chain, sequence=4).delete()
    assert finding(chain) == Finding(4, "The chain ends at 3, its head at 4.")
    with guards_off():
        AuditRecord.objects.filter(chain=chain, sequence=2).delete()
    found = finding(chain)
    assert found is not None
    assert found.sequence == 2


def test_a_tail_removed_with_its_head_is_found_by_a_kept_head(
    recorder: Recorder, chain_of: ChainOf
) -> None:
    before = written(recorder, chain_of, 2)
    kept = written(recorder, chain_of, 2).head
    with guards_off():
        AuditRecord.objects.filter(chain=before, sequence__gt=2).delete()
        before.save()
    assert finding(before) is None
    found = finding(before, kept)
    assert found is not None
    assert found.sequence == 3


def test_who_goes_on_after_a_chain_was_altered_says_so(
    recorder: Recorder, chain_of: ChainOf
) -> None:
    """A forged chain is not signed as if it were ours by the next honest record."""
    chain = written(recorder, chain_of, 2)
    with guards_off():
        AuditChain.objects.filter(pk=chain.id).update(last_hash=bytes(32))
    recorder.record(chain_of, entry(2))
    actions = list(
        AuditRecord.objects.filter(chain=chain)
        .order_by("sequence")
        .values_list("action", flat=True)
    )
    assert actions[2] == BROKEN
    assert len(actions) == 4
    found = finding(chain)
    assert found is not None
    assert found.sequence == 3


def test_a_process_notices_that_a_chain_got_shorter(recorder: Recorder, chain_of: ChainOf) -> None:
    before = written(recorder, chain_of, 2)
    written(recorder, chain_of, 2)
    with guards_off():
        AuditRecord.objects.filter(chain=before, sequence__gt=2).delete()
        before.save()
    recorder.record(chain_of, entry(9))
    assert AuditRecord.objects.get(chain=before, sequence=3).action == BROKEN


def test_records_that_were_undone_are_not_missed(recorder: Recorder, chain_of: ChainOf) -> None:
    chain = written(recorder, chain_of, 1)
    with transaction.atomic():
        recorder.record(chain_of, entry(1))
        recorder.record(chain_of, entry(2))
        transaction.set_rollback(True)
    recorder.record(chain_of, entry(3))
    assert finding(chain) is None


def test_many_write_to_one_chain_at_once(chain_of: ChainOf) -> None:
    """Each waits for the one before; none waits for ever, and no number is given twice."""
    each, threads = 20, 6

    def write() -> None:
        recorder = Recorder(Signer(SEED))
        for number in range(each):
            with transaction.atomic():
                recorder.record(chain_of, entry(number))
        connection.close()

    at_once([write] * threads)
    chain = find_chain(chain_of.vault_id)
    assert chain is not None
    assert chain.last_sequence == each * threads
    assert finding(chain) is None


def test_who_holds_a_chain_waits_for_nobody(recorder: Recorder) -> None:
    """What the database would look at when it commits, and wait for, it looks at before."""
    vault = Vault.objects.create(
        subscription_id=uuid4(),
        resource_group="group",
        name="vault",
        location="here",
        created_at=timezone.now(),
    )
    recorder.record(chain_of_vault(vault), entry(0))
    held = threading.Event()

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            [waits] = cursor.fetchone()
        return bool(waits)

    def delete_vault() -> None:
        """Holds the vault, then waits for its chain."""
        with transaction.atomic():
            Vault.objects.select_for_update().get(pk=vault.pk)
            held.set()
            wait_for("the other to wait for the vault", somebody_waits, 60)
            recorder.record(chain_of_vault(vault), entry(1))
        connection.close()

    def make_key() -> None:
        """Makes something in the vault: at the commit the database asks whether that is there."""
        assert held.wait(60)
        with transaction.atomic():
            vault.registration_keys.create(
                secret_hash=os.urandom(32),
                created_at=timezone.now(),
                expires_at=timezone.now(),
                created_by="",
                max_uses=1,
            )
            recorder.record(chain_of_vault(vault), entry(2))
        connection.close()

    at_once([delete_vault, make_key])
    assert AuditRecord.objects.count() == 3


def test_old_records_are_cut_off_after_they_were_exported(
    recorder: Recorder, chain_of: ChainOf
) -> None:
    chain = written(recorder, chain_of, 6)
    before = entry(4).at
    part = old_part(chain, before, recorder)
    file = io.BytesIO()
    digest = write_export(part, file)
    assert cut(chain.id, part, digest, entry(99), recorder) == 4
    left = AuditRecord.objects.filter(chain=chain).order_by("sequence")
    assert [record.sequence for record in left] == [5, 6, 7]
    last = left[2]
    assert last.details["exportSha256"] == digest
    assert finding(chain) is None
    assert walked(file.getvalue()) == 4
    # What is left, exported, is correct as well.
    chain.refresh_from_db()
    file = io.BytesIO()
    write_export(exported(chain), file)
    assert walked(file.getvalue()) == 7
    with pytest.raises(RefusedError, match="no records"):
        old_part(chain, before, recorder)


def test_nothing_is_cut_off_a_chain_that_was_cut_meanwhile(
    recorder: Recorder, chain_of: ChainOf
) -> None:
    chain = written(recorder, chain_of, 6)
    part = old_part(chain, entry(2).at, recorder)
    later = old_part(chain, entry(4).at, recorder)
    cut(chain.id, later, "", entry(99), recorder)
    with pytest.raises(RefusedError, match="not as it was"):
        cut(chain.id, part, "", entry(99), recorder)


def test_a_cut_that_nobody_recorded_is_found(recorder: Recorder, chain_of: ChainOf) -> None:
    chain = written(recorder, chain_of, 4)
    second = AuditRecord.objects.get(chain=chain, sequence=2)
    with guards_off():
        AuditRecord.objects.filter(chain=chain, sequence__lte=2).delete()
        AuditChain.objects.filter(pk=chain.id).update(first_sequence=3, base_hash=second.hash)
    found = finding(chain)
    assert found is not None
    assert found.sequence == 1


def test_records_are_found_by_what_they_tell(recorder: Recorder, chain_of: ChainOf) -> None:
    written(recorder, chain_of, 4)
    assert isinstance(chain_of.vault_id, UUID)
    somebody = AuditFilters(principal_name="Somebody 2")
    [record] = records_of(chain_of.vault_id, somebody)
    assert record.sequence == 3
    since = AuditFilters(since=datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=2))
    assert [record.sequence for record in records_of(chain_of.vault_id, since)] == [4, 3]
    assert list(records_of(uuid4(), AuditFilters())) == []


def walked(content: bytes) -> int:
    """Number of the last record of a file that is correct."""
    walk = AuditWalk()
    for line in lines_of([content]):
        walk.take(line)
    assert walk.finish() is None
    assert json.loads(content.splitlines()[-1])["sequence"] == walk.next - 1
    return walk.next - 1


def at_once(works: list[Callable[[], None]]) -> None:
    """Does several things at once; what one raises is raised here."""
    raised: list[BaseException] = []

    def caught(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    threads = [threading.Thread(target=caught, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert raised == []
