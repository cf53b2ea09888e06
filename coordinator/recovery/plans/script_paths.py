"""Where a plan's script may be: inside the library share, whichever way it is written."""

from __future__ import annotations

from coordinator.failures import RefusedError, refuse

# Windows takes 260 characters for the whole path; the share's root needs some of them.
LONGEST_PATH = 200
EXTENSION = ".ps1"
FORBIDDEN = frozenset('<>:"|?*')
# Windows opens a device by these names, whatever folder and extension stand around them.
DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in (*range(10), "\u00b9", "²", "³")}
)


def read_script_path(given: object, field: str) -> str:
    """Reads the path of a script in the library share.

    Args:
        given: As the client wrote it: relative to the root of the share; a slash in front, as in
            ASR's examples, and slashes of the other kind are the same.
        field: Where it stood.

    Returns:
        The path with backslashes, none in front.

    Raises:
        RefusedError: RecoveryPlanScriptPathInvalid (400).

    Source: SPEC RP-2; asr-facts 9.3 rule 3.
    """
    if not isinstance(given, str) or not given.strip():
        raise _refused(given, "It is empty.", field)
    path = given.replace("/", "\\")
    problem = _problem(path)
    if problem:
        raise _refused(given, problem, field)
    return path.removeprefix("\\")


def _problem(path: str) -> str:
    """What is wrong with a path with backslashes; empty when nothing is."""
    parts = path.removeprefix("\\").split("\\")
    problems = (
        (len(path) > LONGEST_PATH, f"It is longer than {LONGEST_PATH} characters."),
        (path.startswith("\\\\"), "It names a computer, and is not relative to the share."),
        (path[1:2] == ":", "It names a drive, and is not relative to the share."),
        (
            not path.isprintable() or bool(FORBIDDEN & set(path)),
            f"It has control characters or one of {' '.join(sorted(FORBIDDEN))}.",
        ),
        *((bool(_part_problem(part)), _part_problem(part)) for part in parts),
        (
            not parts[-1].lower().endswith(EXTENSION) or len(parts[-1]) == len(EXTENSION),
            f"It does not name a file {EXTENSION}.",
        ),
    )
    return next((words for wrong, words in problems if wrong), "")


def _part_problem(part: str) -> str:
    if not part:
        return "It has an empty folder name."
    # Windows leaves out dots and spaces at the end, so that "..." and ".. " are ways out as well.
    if part != part.rstrip(". ") or part != part.lstrip(" "):
        return "A folder or file of it begins with a space or ends with a dot or a space."
    if part.partition(".")[0].rstrip(" ").lower() in DEVICES:
        return f"{part} is the name of a device."
    return ""


def _refused(given: object, problem: str, field: str) -> RefusedError:
    shown = given if isinstance(given, str) else type(given).__name__
    return refuse(
        "RecoveryPlanScriptPathInvalid",
        f"'{shown[:LONGEST_PATH]}' cannot be the path of a script.",
        causes=[problem],
        action="Put the script into the library share of the VMM server, at the same place on both "
        "servers, and give its path relative to the root of the share, for example "
        "RPScripts\\Start-Application.ps1.",
        field=field,
    )
