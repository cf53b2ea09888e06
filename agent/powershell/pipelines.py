"""Turns cmdlets into a PSRP pipeline."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from psrpcore import ClientPowerShell, ClientRunspacePool, Command
from psrpcore.types import PSDouble, PSInt64, PSSecureString

from agent.powershell.cmdlet import Cmdlet, Value
from agent.powershell.secret_text import SecretText

_INT32_MAX: Final = 2**31 - 1
# In a JEA endpoint its proxy has few parameters; and selecting cannot fail halfway.
_WITHOUT_ERROR_ACTION: Final = frozenset({"select-object"})


def build(
    pool: ClientRunspacePool, pipeline_id: UUID, pipeline: tuple[Cmdlet, ...]
) -> ClientPowerShell:
    """Makes the pipeline known to the pool, ready to be started.

    Every cmdlet gets -ErrorAction Stop unless it says otherwise: the first error ends the pipeline
    before a later cmdlet acts on half of the objects.
    """
    powershell = ClientPowerShell(pool, no_input=True, pipeline_id=pipeline_id)
    for part in pipeline:
        command = Command(part.name)
        for name, value in part.parameters.items():
            command.add_parameter(name, to_wire(value))
        if "ErrorAction" not in part.parameters and part.name.lower() not in _WITHOUT_ERROR_ACTION:
            command.add_parameter("ErrorAction", "Stop")
        powershell.add_command(command)
    return powershell


def has_secret(pipeline: tuple[Cmdlet, ...]) -> bool:
    """True when something has to be sent as a SecureString."""
    return any(_is_secret(value) for part in pipeline for value in part.parameters.values())


def describe(pipeline: tuple[Cmdlet, ...]) -> str:
    """The cmdlets' names, for messages and logs; values are never shown."""
    return " | ".join(part.name for part in pipeline)


def to_wire(value: Value) -> object:
    """The value as psrpcore sends it with the .NET type that PowerShell binds without doubt."""
    match value:
        case SecretText():
            wire: object = PSSecureString(value.reveal())
        case tuple():
            wire = [to_wire(item) for item in value]
        case Mapping():
            wire = {key: to_wire(item) for key, item in value.items()}
        case datetime():
            # With this machine's offset it arrives as local time, which is what Hyper-V expects.
            wire = value.astimezone()
        case timedelta():
            wire = constant_format(value)
        case float():
            wire = PSDouble(value)
        case int() if abs(value) > _INT32_MAX:
            wire = PSInt64(value)
        case _:
            wire = value
    return wire


def constant_format(span: timedelta) -> str:
    """A TimeSpan's constant text, "1.02:03:04.5000000", which PowerShell binds in any culture.

    psrpcore writes a duration of 30 seconds as PT3S.
    """
    microseconds = abs(span) // timedelta(microseconds=1)
    seconds, fraction = divmod(microseconds, 1_000_000)
    days, seconds = divmod(seconds, 86400)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:06}0"
    sign = "-" if span < timedelta(0) else ""
    return f"{sign}{days}.{clock}" if days else f"{sign}{clock}"


def _is_secret(value: Value) -> bool:
    if isinstance(value, tuple):
        return any(_is_secret(item) for item in value)
    if isinstance(value, Mapping):
        return any(_is_secret(item) for item in value.values())
    return isinstance(value, SecretText)
