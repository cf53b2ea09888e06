"""Which operations of Microsoft's clients the tests call, read off their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

HERE = Path(__file__).parent

Function = ast.FunctionDef | ast.AsyncFunctionDef


def calls_in_tests(attributes: Mapping[str, str]) -> dict[str, list[str]]:
    """Finds calls such as `program.site_recovery.replication_fabrics.get(...)`.

    A variable or function may stand for the middle, a function of the same file may make the call.

    Args:
        attributes: Class of operations by the client's attribute that has one.

    Returns:
        Tests ("file::name") by "Class.method".
    """
    found: dict[str, list[str]] = {}
    for file in sorted(HERE.glob("test_*.py")):
        for test, operation in _calls_in_file(ast.parse(file.read_text("utf-8")), attributes):
            tests = found.setdefault(operation, [])
            if (name := f"{file.name}::{test}") not in tests:
                tests.append(name)
    return found


def _calls_in_file(tree: ast.Module, attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
    returned = {
        name: kind
        for name, function in functions.items()
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and (kind := _kind(node.value, attributes, {}))
    }
    for name in functions:
        if name.startswith("test_"):
            for used in _reached(name, functions):
                for operation in _calls(functions[used], attributes, returned):
                    yield name, operation


def _reached(name: str, functions: Mapping[str, Function]) -> set[str]:
    """The function and those of its file that it mentions, and they."""
    reached, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one in reached:
            continue
        reached.add(one)
        waiting += [
            node.id
            for node in ast.walk(functions[one])
            if isinstance(node, ast.Name) and node.id in functions
        ]
    return reached


def _calls(
    function: Function, attributes: Mapping[str, str], returned: Mapping[str, str]
) -> Iterator[str]:
    variables = {
        target.id: kind
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and (kind := _kind(node.value, attributes, returned))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    known = {**returned, **variables}
    for node in ast.walk(function):
        # With the call or without: an operation may be handed to something that calls it.
        if isinstance(node, ast.Attribute) and (kind := _kind(node.value, attributes, known)):
            yield f"{kind}.{node.attr}"
        elif _is_getattr(node) and (kind := _kind(node.args[0], attributes, known)):
            # Its name is a parameter of the test.
            yield from (f"{kind}.{name}" for name in _operation_names(function))


def _is_getattr(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and bool(node.args)
    )


def _operation_names(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and value.startswith("begin_"):
            yield value


def _kind(
    value: ast.expr | None, attributes: Mapping[str, str], known: Mapping[str, str]
) -> str | None:
    """The class of operations that an expression stands for."""
    if isinstance(value, ast.Call):
        return _kind(value.func, attributes, known) if isinstance(value.func, ast.Name) else None
    if isinstance(value, ast.Name):
        return known.get(value.id)
    return attributes.get(value.attr) if isinstance(value, ast.Attribute) else None
