"""A PowerShell for the tests: real PSRP on standard streams, cmdlets that misbehave on demand."""

import base64
import os
import re
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

from psrpcore import (
    Command,
    CreatePipelineEvent,
    PowerShell,
    PSRPPayload,
    ServerPipeline,
    ServerRunspacePool,
    StreamType,
)
from psrpcore.types import (
    ErrorCategory,
    ErrorCategoryInfo,
    ErrorRecord,
    HostMethodIdentifier,
    NETException,
    PSCustomObject,
    PSInvocationState,
    PSSecureString,
    RunspacePoolState,
    add_note_property,
)

NO_ID = uuid.UUID(int=0)
ELEMENT = re.compile(r"<(\w+)[^>]*PSGuid='([0-9a-f-]+)'\s*(?:/>|>([^<]*)</Data>)")


def custom_object(**properties: object) -> PSCustomObject:
    made = PSCustomObject()
    for name, value in properties.items():
        add_note_property(made, name, value)
    return made


def exception(type_name: str, message: str) -> NETException:
    raised = NETException(Message=message)
    raised.PSObject.type_names = [type_name, *raised.PSObject.type_names]
    return raised


INVALID_STATE = ErrorCategoryInfo(
    Category=ErrorCategory.InvalidOperation,
    Activity="Start-VMFailover",
    Reason="VirtualizationException",
    TargetName="SQL-01",
    TargetType="VirtualMachine",
)
INVALID_STATE_ID = "InvalidState,Microsoft.HyperV.PowerShell.Commands.StartVMFailover"
INVALID_STATE_TEXT = "Der Vorgang kann im aktuellen Zustand nicht ausgeführt werden."


class Server:
    """Answers lines with lines.

    Args:
        write: Takes a line with its newline.
        leave: Called with an exit code when the server ends.
    """

    def __init__(self, write: Callable[[bytes], None], leave: Callable[[int], None]) -> None:
        self._write = write
        self._leave = leave
        self._pool = ServerRunspacePool()
        self._pipelines: dict[uuid.UUID, ServerPipeline] = {}
        self._deaf: set[uuid.UUID] = set()
        self._together: list[ServerPipeline] = []

    def feed(self, line: str) -> None:
        found = ELEMENT.match(line)
        if found is None:
            return
        name, target, body = found[1], uuid.UUID(found[2]), found[3]
        if name == "Data":
            self._acknowledge("Data", target)
            self._data(target, base64.b64decode(body))
        elif name == "Command":
            self._pipelines[target] = ServerPipeline(self._pool, target)
            self._acknowledge("Command", target)
        elif name == "Signal":
            self._signal(target)
        elif name == "Close":
            if target == NO_ID:
                # PowerShell tells the new state before it acknowledges.
                self._pool._change_state(RunspacePoolState.Closed)
                self._flush()
            self._pool.pipeline_table.pop(target, None)
            self._acknowledge("Close", target)

    def _signal(self, target: uuid.UUID) -> None:
        if target in self._deaf:
            return
        self._acknowledge("Signal", target)
        pipeline = self._pipelines[target]
        if pipeline.state == PSInvocationState.Running:
            pipeline.stop()
        self._flush()

    def _data(self, target: uuid.UUID, fragments: bytes) -> None:
        self._pool.receive_data(PSRPPayload(fragments, StreamType.default, target))
        while (event := self._pool.next_event()) is not None:
            if isinstance(event, CreatePipelineEvent):
                self._run(self._pipelines[event.pipeline_id], event.pipeline)
        self._flush()

    def _run(self, pipeline: ServerPipeline, powershell: PowerShell) -> None:
        pipeline.start()
        command = powershell.commands[0]
        parameters = {str(name): value for name, value in command.parameters}
        method = getattr(self, "_" + command.command_text.replace("-", "_").lower(), None)
        if method is None:
            unknown = exception("System.Management.Automation.CommandNotFoundException", "unknown")
            pipeline.write_error(unknown, fully_qualified_error_id="CommandNotFoundException")
            pipeline.complete()
        else:
            method(pipeline, parameters, powershell.commands)

    # ---- cmdlets ---------------------------------------------------------------------------------

    def _get_echo(
        self, pipeline: ServerPipeline, parameters: dict[str, object], commands: list[Command]
    ) -> None:
        shown = {
            name: value.decrypt() if isinstance(value, PSSecureString) else value
            for name, value in parameters.items()
        }
        pipeline.write_output(
            custom_object(
                **shown,
                PipelineId=pipeline.pipeline_id,
                Commands=[command.command_text for command in commands],
                Types=[type(value).__name__ for value in parameters.values()],
            )
        )
        pipeline.complete()

    def _get_nothing(self, pipeline: ServerPipeline, *_: object) -> None:
        pipeline.write_output(None)
        pipeline.complete()

    def _get_sentence(self, pipeline: ServerPipeline, *_: object) -> None:
        pipeline.write_output("The connection was successful.")
        pipeline.complete()

    def _get_many(self, pipeline: ServerPipeline, parameters: dict[str, object], _: object) -> None:
        for number in range(int(str(parameters["Count"]))):
            pipeline.write_output(custom_object(Number=number, Text="x" * 40))
        pipeline.complete()

    def _get_both(self, pipeline: ServerPipeline, *_: object) -> None:
        """Writes one object, an error, and goes on to the end."""
        pipeline.write_output(custom_object(Number=1))
        error = exception("Microsoft.HyperV.PowerShell.VirtualizationException", INVALID_STATE_TEXT)
        pipeline.write_error(
            error, category_info=INVALID_STATE, fully_qualified_error_id=INVALID_STATE_ID
        )
        pipeline.complete()

    def _start_failing(self, pipeline: ServerPipeline, *_: object) -> None:
        """Fails as PowerShell does with -ErrorAction Stop."""
        wrapper = exception(
            "System.Management.Automation.ActionPreferenceStopException",
            "The running command stopped because ErrorActionPreference is set to Stop: ...",
        )
        add_note_property(wrapper, "ErrorRecord", INVALID_STATE_TEXT)
        record = ErrorRecord(
            Exception=wrapper, CategoryInfo=INVALID_STATE, FullyQualifiedErrorId=INVALID_STATE_ID
        )
        pipeline._change_state(PSInvocationState.Failed, error=record)

    def _wait_together(
        self, pipeline: ServerPipeline, parameters: dict[str, object], _: object
    ) -> None:
        """Ends only when as many pipelines as named are running."""
        self._together.append(pipeline)
        if len(self._together) == int(str(parameters["Count"])):
            for waiting in self._together:
                waiting.write_output(custom_object(PipelineId=waiting.pipeline_id))
                waiting.complete()
            self._together.clear()

    def _wait_forever(self, *_: object) -> None:
        """Runs until it is stopped."""

    def _wait_deaf(self, pipeline: ServerPipeline, *_: object) -> None:
        """Runs and does not stop when it is told to."""
        self._deaf.add(pipeline.pipeline_id)

    def _read_host(self, pipeline: ServerPipeline, *_: object) -> None:
        pipeline.host_call(HostMethodIdentifier.ReadLine)

    def _stop_server(self, *_: object) -> None:
        sys.stderr.write("Unhandled exception: the lights went out\n")
        sys.stderr.flush()
        self._leave(7)

    def _write_garbage(self, *_: object) -> None:
        self._write(b"this is no PSRP\n")

    # ---- lines -----------------------------------------------------------------------------------

    def _acknowledge(self, name: str, target: uuid.UUID) -> None:
        self._write(f"<{name}Ack PSGuid='{target}' />\n".encode())

    def _flush(self) -> None:
        # Small fragments, so that the client has to put messages together.
        while (payload := self._pool.data_to_send(1000)) is not None:
            body = base64.b64encode(payload.data).decode()
            target = payload.pipeline_id or NO_ID
            self._write(f"<Data Stream='Default' PSGuid='{target}'>{body}</Data>\n".encode())


def main() -> None:
    def write(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    if "--mute" in sys.argv:
        sys.stdin.read()
        return
    server = Server(write, os._exit)
    for line in sys.stdin:
        server.feed(line)
    if "--farewell" in sys.argv:
        Path(sys.argv[-1]).write_text("left by itself", encoding="ascii")


if __name__ == "__main__":
    main()
