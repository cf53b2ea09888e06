"""Writing records: at the end of the transaction whose change they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction

from coordinator.events.audit.chain import BROKEN, Entry, Outcome, as_fields, hash_after
from coordinator.events.audit.heads import Head, Signer, is_signed
from coordinator.events.audit.models import AuditChain
from coordinator.events.audit.statements import append, lock_chain
from coordinator.vaults.models import Vault

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ChainOf:
    """Which chain is meant.

    Attributes:
        vault_id: The vault's; None: the installation's.
        name: What the chain is called when it is begun.
    """

    vault_id: UUID | None = None
    name: str = "installation"


INSTALLATION = ChainOf()


def chain_of_vault(vault: Vault) -> ChainOf:
    """The chain of a vault, which has it for ever."""
    return ChainOf(vault.id, f"{vault.subscription_id}/{vault.resource_group}/{vault.name}")


class Recorder:
    """Writes the records of one process."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        # How far this process has brought each chain, committed: it never gets shorter.
        self._seen: dict[UUID, int] = {}

    def record(self, chain_of: ChainOf, entry: Entry) -> None:
        """Adds a record to a chain, in the transaction that is open or in one of its own.

        From here until the commit others wait who write to the same chain. So this is the last
        statement of its transaction: whoever holds a chain waits for nobody, and no two can wait
        for each other. What the database would check at the commit, and wait for, it checks before.

        Args:
            chain_of: The chain; it is begun with its first record.
            entry: What happened.

        Source: SPEC EV-3.
        """
        with transaction.atomic(savepoint=False):
            self.add(self.locked(chain_of), [entry])

    def locked(self, chain_of: ChainOf) -> AuditChain:
        """The chain, held until the end of the transaction."""
        chain = lock_chain(chain_of.vault_id)
        if chain is None:
            self.begun(chain_of)
            chain = lock_chain(chain_of.vault_id)
        if chain is None:
            raise AuditChain.DoesNotExist(chain_of.name)
        return chain

    def begun(self, chain_of: ChainOf) -> AuditChain:
        """A chain, without records when it is new. Idempotent."""
        new = AuditChain(vault_id=chain_of.vault_id, name=chain_of.name)
        new.end_at(self.signer.head(new.id, 0, bytes(new.last_hash)))
        AuditChain.objects.bulk_create([new], ignore_conflicts=True)
        return AuditChain.objects.get(vault_id=chain_of.vault_id)

    def add(self, chain: AuditChain, entries: Sequence[Entry]) -> None:
        """Adds records to a chain this transaction holds."""
        problem = self._problem(chain.head)
        if problem:
            log.error("audit.broken", chain=str(chain.id), name=chain.name, problem=problem)
            entries = [_break(chain, entries[0], problem), *entries]
        sequence, last = chain.last_sequence, bytes(chain.last_hash)
        written = []
        for entry in entries:
            sequence += 1
            last = hash_after(last, as_fields(chain.id, sequence, entry))
            written.append((sequence, entry, last))
        head = self.signer.head(chain.id, sequence, last)
        append(chain.id, written, head)
        transaction.on_commit(lambda: self._see(head))

    def _problem(self, head: Head) -> str:
        """Why a head cannot be gone on from; a chain altered in the database is not ours."""
        if not is_signed(head, self.signer.public):
            return "its head was not signed with this coordinator's key"
        seen = self._seen.get(head.chain, 0)
        if head.sequence < seen:
            return f"it had {seen} records before"
        return ""

    def _see(self, head: Head) -> None:
        self._seen[head.chain] = max(head.sequence, self._seen.get(head.chain, 0))


def _break(chain: AuditChain, first: Entry, problem: str) -> Entry:
    """Work goes on with an altered audit; but the chain says from here on that it was altered."""
    return Entry(
        at=first.at,
        action=BROKEN,
        outcome=Outcome.FAILED,
        principal_type="Coordinator",
        details={
            "problem": problem,
            "key": bytes(chain.key).hex(),
            "signature": bytes(chain.signature).hex(),
        },
    )
