"""Which paths stay inside the library share."""

from __future__ import annotations

import ntpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordinator.failures import RefusedError
from coordinator.recovery.plans.script_paths import LONGEST_PATH, read_script_path

pytestmark = pytest.mark.spec("RP-2")

SHARE = "\\\\vmm1.example\\MSCVMMLibrary"


@pytest.mark.parametrize(
    ("given_path", "read"),
    [
        ("\\RPScripts\\RPScript.PS1", "RPScripts\\RPScript.PS1"),
        ("RPScripts\\RPScript.ps1", "RPScripts\\RPScript.ps1"),
        ("RPScripts/a.b/Run it.ps1", "RPScripts\\a.b\\Run it.ps1"),
        ("start.ps1", "start.ps1"),
        ("脚本\\启动.ps1", "脚本\\启动.ps1"),
    ],
)
def test_a_path_relative_to_the_share_is_read(given_path: str, read: str) -> None:
    assert read_script_path(given_path, "path") == read


@pytest.mark.parametrize(
    ("given_path", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (None, "empty"),
        (7, "empty"),
        ("..\\start.ps1", "dot or a space"),
        ("RPScripts\\..\\..\\start.ps1", "dot or a space"),
        ("RPScripts/../start.ps1", "dot or a space"),
        ("a\\... \\start.ps1", "dot or a space"),
        ("a\\.. \\start.ps1", "dot or a space"),
        (".\\start.ps1", "dot or a space"),
        ("a\\ b\\start.ps1", "a space"),
        ("C:\\start.ps1", "drive"),
        ("c:start.ps1", "drive"),
        ("\\\\other\\share\\start.ps1", "names a computer"),
        ("//other/share/start.ps1", "names a computer"),
        ("\\\\?\\C:\\start.ps1", "names a computer"),
        ("a\\\\start.ps1", "empty folder"),
        ("a\\start.ps1:stream.ps1", "one of"),
        ("a\\start*.ps1", "one of"),
        ("a\\start\n.ps1", "control characters"),
        ("a\\start.ps1\x00.txt", "control characters"),
        ("a\\start.cmd", "does not name a file .ps1"),
        ("a\\start.ps1.exe", "does not name a file .ps1"),
        ("a\\.ps1", "does not name a file .ps1"),
        ("a\\start.ps1\\", "empty folder"),
        ("nul.ps1", "device"),
        ("a\\COM1.ps1", "device"),
        ("a\\Con .x\\start.ps1", "device"),
        ("a\\LPT\u00b9.ps1", "device"),
        (f"{'a' * LONGEST_PATH}.ps1", "longer"),
    ],
)
def test_any_other_path_is_refused_with_what_is_wrong(given_path: object, words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_script_path(given_path, "properties.path")
    failure = refused.value.failure
    assert failure.code == "RecoveryPlanScriptPathInvalid"
    assert words in " ".join(failure.possible_causes)
    assert "relative to the root of the share" in failure.recommended_action
    assert refused.value.field == "properties.path"


@given(
    st.text(alphabet=st.sampled_from("ab.\\/: \t*C1nulcon²"), max_size=20).map(lambda t: t + ".ps1")
)
@example("\\..\\x.ps1")
@example("a/\\\\..\\x.ps1")
def test_what_is_read_never_leaves_the_share(given_path: str) -> None:
    try:
        path = read_script_path(given_path, "path")
    except RefusedError:
        return
    joined = ntpath.join(SHARE, path)
    assert ntpath.normpath(joined) == joined
    assert joined.startswith(f"{SHARE}\\")
    assert path.lower().endswith(".ps1")
    assert read_script_path(path, "path") == path
