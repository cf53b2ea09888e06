"""Runs pipelines: binds each command, sends it to the backend, routes what it writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from deploy.lab.invocation import (
    EnumValue,
    ErrorRecord,
    Invocation,
    InvocationResult,
    ProgressRecord,
    PSObject,
    Value,
)
from deploy.lab.powershell.backends import Backend
from deploy.lab.powershell.binder import (
    Argument,
    Bindings,
    BoundCommand,
    bind_arguments,
    bind_input,
    check_before_input,
    finish_without_input,
)
from deploy.lab.powershell.command_facts import COMMON_PARAMETERS, CommandFacts, CommandTable
from deploy.lab.powershell.core_cmdlets import CORE_CMDLETS
from deploy.lab.powershell.engine_errors import BindingError, engine_error

_VMM = "VirtualMachineManager"
_CONNECT = "Get-SCVMMServer"

# Background jobs live in the runspace's job table, which the lab does not have.
_NOT_EMULATED = frozenset({"AsJob", "RunAsynchronously", "JobVariable"})


class Streams(Protocol):
    """Where a pipeline writes."""

    def output(self, value: Value) -> None: ...

    def error(self, error: ErrorRecord) -> None: ...

    def warning(self, message: str) -> None: ...

    def progress(self, record: ProgressRecord) -> None: ...


class PipelineFailedError(Exception):
    """A terminating error: the pipeline ends in state Failed with this record."""

    def __init__(self, record: ErrorRecord) -> None:
        super().__init__(record.message)
        self.record = record


@dataclass(frozen=True)
class CommandCall:
    """One command as the client wrote it."""

    name: str
    is_script: bool
    arguments: tuple[Argument, ...]


@dataclass
class SessionState:
    """What outlives a pipeline: the connection that Get-SCVMMServer made.

    Whether VMM keeps it per runspace or per process is not known; the lab keeps it per process,
    so a client must not rely on a second runspace having none.
    """

    connected_to_vmm: bool = False


@dataclass(frozen=True)
class Engine:
    """The engine of one powershell process."""

    table: CommandTable
    backend: Backend
    session: SessionState

    async def run(
        self,
        statements: Sequence[Sequence[CommandCall]],
        pipeline_input: list[Value] | None,
        streams: Streams,
        command_id: str | None,
    ) -> None:
        """Runs the statements one after another.

        Args:
            statements: The pipelines of the invocation, in order.
            pipeline_input: Objects that the client sent; None when it sends no input.
            streams: Where to write.
            command_id: The command that caused the pipeline, for the site's effects journal.

        Raises:
            PipelineFailedError: A terminating error.
        """
        for statement in statements:
            items = pipeline_input
            last = len(statement) - 1
            for position, call in enumerate(statement):
                written: list[Value] = []
                emit = streams.output if position == last else written.append
                run = _CommandRun(self, self._resolve(call), emit, streams, command_id)
                await run.run(call.arguments, items)
                items = written

    def _resolve(self, call: CommandCall) -> CommandFacts:
        if call.is_script:
            raise PipelineFailedError(engine_error("ScriptsNotAllowed"))
        command = self.table.find(call.name)
        if command is not None:
            return command
        module = self.table.module_of_documented(call.name)
        if module is not None:
            raise PipelineFailedError(
                engine_error("LabCmdletMissing", call.name, target=call.name, module=module)
            )
        raise PipelineFailedError(
            engine_error("CommandNotFoundException", call.name, target=call.name)
        )


def _preference(parameters: Bindings | BoundCommand, name: str) -> str:
    values = parameters.values if isinstance(parameters, Bindings) else parameters.parameters
    value = values.get(name)
    return value.name if isinstance(value, EnumValue) else "Continue"


@dataclass(frozen=True)
class _CommandRun:
    """One command of one pipeline while it runs."""

    engine: Engine
    command: CommandFacts
    emit: Callable[[Value], None]
    streams: Streams
    command_id: str | None

    async def run(self, arguments: Sequence[Argument], items: list[Value] | None) -> None:
        try:
            bindings = bind_arguments(self.command, arguments)
            core = CORE_CMDLETS.get(self.command.name)
            if core is not None:
                bound = finish_without_input(bindings)
                self._route(bound, core(self.engine.table, bound, items or []))
            elif items is None:
                await self._process(finish_without_input(bindings), None)
            else:
                check_before_input(bindings)
                for item in items:
                    await self._process_item(bindings, item)
        except BindingError as error:
            raise PipelineFailedError(
                error.record(self.command.name, self.command.command_class)
            ) from None

    async def _process_item(self, bindings: Bindings, item: Value) -> None:
        try:
            bound = bind_input(bindings, item)
        except BindingError as error:
            record = error.record(self.command.name, self.command.command_class)
            self._write_error(
                _preference(bindings, "ErrorAction"), replace(record, terminating=False)
            )
            return
        await self._process(bound, item if isinstance(item, PSObject) else None)

    async def _process(self, bound: BoundCommand, item: PSObject | None) -> None:
        for name in _NOT_EMULATED & bound.parameters.keys():
            raise BindingError("LabParameterMissing", parameter=name, target=self.command.name)
        self._require_vmm_connection(bound)
        if not self._should_process(bound):
            return
        kept = COMMON_PARAMETERS - {"ErrorAction"}
        call = Invocation(
            cmdlet=self.command.name,
            parameters={key: value for key, value in bound.parameters.items() if key not in kept},
            parameter_set=bound.parameter_set,
            pipeline_input=() if item is None else (item,),
            command_id=self.command_id,
        )
        result = await self.engine.backend.invoke(call)
        if self.command.name == _CONNECT and not result.errors:
            self.engine.session.connected_to_vmm = True
        self._route(bound, result)

    def _require_vmm_connection(self, bound: BoundCommand) -> None:
        if self.command.module != _VMM or self.command.name == _CONNECT:
            return
        # An object of VMM carries its connection with it.
        given = "VMMServer" in bound.parameters or any(
            isinstance(value, PSObject) for value in bound.parameters.values()
        )
        if not given and not self.engine.session.connected_to_vmm:
            raise BindingError("VMMServerNotConnected")

    def _should_process(self, bound: BoundCommand) -> bool:
        if not self.command.supports_should_process:
            return True
        if bound.parameters.get("WhatIf"):
            return False
        confirm = bound.parameters.get("Confirm")
        if confirm or (confirm is None and self.command.confirm_impact == "High"):
            # There is nobody to ask: a session of an agent has no host that prompts.
            raise BindingError("HostFunctionNotImplemented", target=self.command.name)
        return True

    def _route(self, bound: BoundCommand, result: InvocationResult) -> None:
        for record in result.progress:
            self.streams.progress(record)
        if _preference(bound, "WarningAction") not in {"SilentlyContinue", "Ignore"}:
            for message in result.warnings:
                self.streams.warning(message)
        for value in result.output:
            self.emit(value)
        action = _preference(bound, "ErrorAction")
        for error in result.errors:
            activity = error.activity or self.command.name
            command_class = error.command_class or self.command.command_class
            self._write_error(
                action, replace(error, activity=activity, command_class=command_class)
            )

    def _write_error(self, action: str, error: ErrorRecord) -> None:
        if error.terminating or action in {"Stop", "Inquire", "Suspend"}:
            raise PipelineFailedError(error)
        if action == "Continue":
            self.streams.error(error)
