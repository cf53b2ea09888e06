"""The audit's verbs, for the doors of the coordinator."""

from __future__ import annotations

from coordinator.events.audit.chain import Entry, Outcome, encoded
from coordinator.events.audit.checking import Verified, verify_chain
from coordinator.events.audit.cutting import cut, old_part, write_export
from coordinator.events.audit.heads import Head
from coordinator.events.audit.keys import ensure_signer, process_recorder
from coordinator.events.audit.recording import INSTALLATION, ChainOf, Recorder, chain_of_vault
from coordinator.events.audit.refusals import RefusalRecorder, Refused

__all__ = [
    "INSTALLATION",
    "ChainOf",
    "Entry",
    "Head",
    "Outcome",
    "Recorder",
    "RefusalRecorder",
    "Refused",
    "Verified",
    "chain_of_vault",
    "cut",
    "encoded",
    "ensure_signer",
    "old_part",
    "process_recorder",
    "verify_chain",
    "write_export",
]
