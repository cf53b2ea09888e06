"""The module's functions about scripts of recovery plans, as the lab's VMM servers have them."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject, Value
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.plan_scripts import ScriptInterpreter
from deploy.lab.site.script_library import ScriptLibrary
from deploy.lab.site.site import Site

_CUSTOM = ("System.Management.Automation.PSCustomObject", "System.Object")
_MOST_BYTES = 64 * 1024


def _object(**properties: Value) -> PSObject:
    return PSObject(_CUSTOM, None, properties)


def _library(site: Site, call: Invocation) -> ScriptLibrary:
    return ScriptLibrary(site, arguments.required_text(call, "LibraryPath"))


async def get_osr_plan_script(site: Site, call: Invocation, written: Written) -> None:
    library, path = _library(site, call), arguments.required_text(call, "Path")
    found = library.look(path)
    written.output(
        _object(
            Library=library.root,
            Path=path,
            Exists=found.file is not None,
            Readable=bool(found.sha256),
            Runnable=bool(found.sha256) and not found.problem,
            Sha256=found.sha256,
            Problem=found.problem,
        )
    )


async def invoke_osr_plan_script(site: Site, call: Invocation, written: Written) -> None:
    """Writes the effect when the script begins: what it does is not the lab's to undo."""
    library, path = _library(site, call), arguments.required_text(call, "Path")
    limit = arguments.number(call, "TimeLimitSeconds") or 0
    if not 1 <= limit <= 600:
        raise HyperVError("ParameterArgumentValidationError", "InvalidData", f"{limit} s.")
    found = library.look(path)
    wanted = arguments.required_text(call, "Sha256")
    if found.file is None or found.problem or (wanted and wanted != found.sha256):
        problem = found.problem or f"The script was changed: its SHA-256 is {found.sha256}."
        raise HyperVError("OperationStopped", "OperationStopped", problem)
    text = found.file.read_text(encoding="utf-8-sig")
    context = arguments.required_text(call, "Context")
    site.record(site.vmm.server.fqdn, ("script.begun", path.lower()), call.command_id)
    run = await ScriptInterpreter(library, site.clock, context, limit).run(text)
    output, errors = "\r\n".join(run.output), "\r\n".join(run.failures)
    kept_output, kept_errors = _cut(output), _cut(errors)
    written.output(
        _object(
            Path=path,
            Sha256=found.sha256,
            ExitCode=run.exit_code,
            TimedOut=run.timed_out,
            Succeeded=run.succeeded,
            Output=kept_output,
            ErrorOutput=kept_errors,
            Cut=(kept_output, kept_errors) != (output, errors),
        )
    )


def _cut(text: str) -> str:
    return text.encode()[:_MOST_BYTES].decode(errors="ignore")
