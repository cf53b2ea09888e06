"""Two hosts and a command's context."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef

from agent.verbs.context import VerbContext
from tests.unit.agent.fake_hyperv import FakeHyperV
from tests.unit.agent.memory_keys import MemoryKeys, SetClock

SHANGHAI = "hv1.shanghai.test"
BEIJING = "hv1.beijing.test"
VM_ID = UUID("0b0c3a4e-6d3f-4a39-9a57-0a4c9f3f2a11")

MakeContext = Callable[..., VerbContext]


@pytest.fixture
def hyperv() -> FakeHyperV:
    return FakeHyperV(SHANGHAI, BEIJING)


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def context(hyperv: FakeHyperV, keys: MemoryKeys) -> MakeContext:
    def make(*, resumed: bool = False, limit_seconds: float = 60.0) -> VerbContext:
        # Each look at the clock takes a tenth of a second, so that deadlines come by looking.
        clock = SetClock(step_seconds=0.1)
        return VerbContext(
            powershell=hyperv,
            host_keys=keys,
            clock=clock,
            command_id=UUID("11111111-1111-4111-8111-111100000000"),
            deadline=clock.now + timedelta(seconds=limit_seconds),
            resumed=resumed,
            poll_interval_seconds=0.001,
            settle_seconds=5.0,
        )

    return make


@pytest.fixture
def primary() -> VirtualMachineRef:
    return VirtualMachineRef(vm_id=str(VM_ID), host=SHANGHAI)


@pytest.fixture
def replica() -> VirtualMachineRef:
    return VirtualMachineRef(vm_id=str(VM_ID), host=BEIJING)
