"""Errors that PowerShell's engine raises itself: command lookup, parameter binding, scripts."""

from deploy.lab.invocation import ErrorRecord

_BINDING = "System.Management.Automation.ParameterBindingException"
_VALIDATION = "System.Management.Automation.ParameterBindingValidationException"

# Error id -> (category, exception type, text). Texts are PowerShell's English ones.
_TABLE: dict[str, tuple[str, str, str]] = {
    "CommandNotFoundException": (
        "ObjectNotFound",
        "System.Management.Automation.CommandNotFoundException",
        (
            "The term '{target}' is not recognized as the name of a cmdlet, function, script file,"
            " or operable program. Check the spelling of the name, or if a path was included,"
            " verify that the path is correct and try again."
        ),
    ),
    "ScriptsNotAllowed": (
        "ParserError",
        "System.Management.Automation.ParseException",
        (
            "The syntax is not supported by this runspace. This might be because it is in"
            " no-language mode."
        ),
    ),
    "LabCmdletMissing": (
        "NotImplemented",
        "System.Management.Automation.CommandNotFoundException",
        "The lab lacks the cmdlet '{target}', which the Windows module '{module}' has.",
    ),
    "LabDefect": (
        "NotSpecified",
        "System.Management.Automation.RuntimeException",
        "The lab failed: {target}",
    ),
    "LabParameterMissing": (
        "NotImplemented",
        "System.Management.Automation.PSNotImplementedException",
        "The lab does not emulate the parameter '{parameter}' of '{target}'.",
    ),
    # What VMM answers without a connection is not known; its error numbers are left out.
    "VMMServerNotConnected": (
        "ConnectionError",
        "Microsoft.VirtualManager.Utils.CarmineException",
        (
            "A connection to a VMM management server is needed. Run Get-SCVMMServer first, or"
            " give the parameter VMMServer."
        ),
    ),
    "NamedParameterNotFound": (
        "InvalidArgument",
        _BINDING,
        "A parameter cannot be found that matches parameter name '{parameter}'.",
    ),
    "PositionalParameterNotFound": (
        "InvalidArgument",
        _BINDING,
        "A positional parameter cannot be found that accepts argument '{value}'.",
    ),
    "AmbiguousParameter": (
        "InvalidArgument",
        _BINDING,
        (
            "Parameter cannot be processed because the parameter name '{parameter}' is ambiguous."
            " Possible matches include: {matches}."
        ),
    ),
    "ParameterAlreadyBound": (
        "InvalidArgument",
        _BINDING,
        "Cannot bind parameter because parameter '{parameter}' is specified more than once.",
    ),
    "AmbiguousParameterSet": (
        "InvalidArgument",
        _BINDING,
        "Parameter set cannot be resolved using the specified named parameters.",
    ),
    "MissingMandatoryParameter": (
        "InvalidArgument",
        _BINDING,
        "Cannot process command because of one or more missing mandatory parameters: {parameter}.",
    ),
    "InputObjectNotBound": (
        "InvalidArgument",
        _BINDING,
        (
            "The input object cannot be bound to any parameters for the command either because the"
            " command does not take pipeline input or the input and its properties do not match"
            " any of the parameters that take pipeline input."
        ),
    ),
    "CannotConvertArgumentNoMessage": (
        "InvalidArgument",
        _BINDING,
        "Cannot bind parameter '{parameter}'. {reason}",
    ),
    "CannotConvertArgument": (
        "InvalidArgument",
        _BINDING,
        (
            "Cannot convert 'System.Object[]' to the type '{type}' required by parameter"
            " '{parameter}'. Specified method is not supported."
        ),
    ),
    "ParameterArgumentValidationError": (
        "InvalidData",
        _VALIDATION,
        "Cannot validate argument on parameter '{parameter}'. {reason}",
    ),
    "ParameterArgumentValidationErrorNullNotAllowed": (
        "InvalidData",
        _VALIDATION,
        "Cannot bind argument to parameter '{parameter}' because it is null.",
    ),
    "ParameterArgumentValidationErrorEmptyStringNotAllowed": (
        "InvalidData",
        _VALIDATION,
        "Cannot bind argument to parameter '{parameter}' because it is an empty string.",
    ),
    "ParameterArgumentValidationErrorEmptyArrayNotAllowed": (
        "InvalidData",
        _VALIDATION,
        "Cannot bind argument to parameter '{parameter}' because it is an empty array.",
    ),
    "HostFunctionNotImplemented": (
        "NotImplemented",
        "System.Management.Automation.Host.HostException",
        (
            "A command that prompts the user failed because the host program or the command type"
            " does not support user interaction. The host was attempting to request confirmation"
            " with the following message: Are you sure you want to perform this action?"
            ' Performing the operation "{target}".'
        ),
    ),
    "ExpandPropertyNotFound": (
        "InvalidArgument",
        "System.Management.Automation.PSArgumentException",
        'Property "{parameter}" cannot be found.',
    ),
}


class BindingError(Exception):
    """A refusal of the engine.

    Args:
        error_id: A key of the table of this module.
        facts: What the text names: parameter, value, type, reason, target, ...
    """

    def __init__(self, error_id: str, **facts: str) -> None:
        super().__init__(f"{error_id} {facts}")
        self.error_id = error_id
        self.facts = facts

    def record(self, command: str, command_class: str) -> ErrorRecord:
        """The record as it stands when this command was being bound."""
        return engine_error(self.error_id, command, command_class, **self.facts)


def engine_error(
    error_id: str, command: str = "", command_class: str = "", **facts: str
) -> ErrorRecord:
    """An error record of the table; `target` becomes the target of the CategoryInfo."""
    category, exception_type, text = _TABLE[error_id]
    return ErrorRecord(
        error_id=error_id,
        category=category,
        message=text.format(**facts),
        exception_type=exception_type,
        target_name=facts.get("target", ""),
        target_type="String" if facts.get("target") else "",
        activity=command,
        command_class=command_class,
        terminating=True,
    )
