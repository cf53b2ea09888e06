"""An import-linter contract: another domain is entered by its front doors only."""

from __future__ import annotations

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class FrontDoorContract(Contract):
    """Each of `domains` below `ancestor` may import of another one its `doors`, nothing else.

    A door is a module or a package of the domain, or a module in a package: "plans.services".
    """

    ancestor = fields.StringField()
    domains = fields.ListField(subfield=fields.StringField())
    doors = fields.ListField(subfield=fields.StringField())
    wiring = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - its shape
        """Finds every import that goes through a wall."""
        prefix = f"{self.ancestor}."
        domains, doors, wiring = (
            tuple(map(str, cast("list[str]", setting)))
            for setting in (self.domains, self.doors, self.wiring)
        )
        bad: list[tuple[str, str]] = []
        for importer in graph.modules:
            if not importer.startswith(prefix) or importer.startswith(wiring):
                continue
            mine = importer.removeprefix(prefix).split(".")[0]
            for imported in graph.find_modules_directly_imported_by(importer):
                if not imported.startswith(prefix):
                    continue
                theirs, _, inner = imported.removeprefix(prefix).partition(".")
                foreign = theirs in domains and theirs != mine
                if foreign and inner not in doors and inner.split(".")[0] not in doors:
                    bad.append((importer, imported))
        return ContractCheck(kept=not bad, metadata={"bad": sorted(bad)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Lists them."""
        for importer, imported in check.metadata["bad"]:
            output.print_error(f"{importer} -> {imported}")
