"""psrpcore's server pool, with the lab's own serialisation of pipeline output."""

from uuid import UUID

from psrpcore import ServerRunspacePool, StreamType
from psrpcore._payload import PSRPMessage, create_message
from psrpcore.types import PSRPMessageType

from deploy.lab.invocation import Value
from deploy.lab.powershell.clixml import REMOTING_DEPTH, to_clixml


class LabRunspacePool(ServerRunspacePool):
    """A server pool that writes output as Windows does: see `deploy.lab.powershell.clixml`."""

    def write_output(self, pipeline_id: UUID, value: Value, depth: int = REMOTING_DEPTH) -> None:
        """Queues one PipelineOutput message."""
        kind = PSRPMessageType.PipelineOutput
        content = b"" if value is None else to_clixml(value, depth)
        message = create_message(
            client=False,
            message_type=kind,
            data=content,
            runspace_pool_id=self.runspace_pool_id,
            pipeline_id=pipeline_id,
        )
        self._send_buffer.append(
            PSRPMessage(
                kind,
                bytearray(message),
                self.runspace_pool_id,
                pipeline_id,
                self._fragment_counter,
                StreamType.default,
            )
        )
