"""Names of a vault that files may use, and what each of them means: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from coordinator.cli.apply.documents import Path, Problem, Value
from coordinator.cli.apply.kinds import Kind
from coordinator.cli.apply.resources import Resource


@dataclass(frozen=True)
class Named:
    """A thing that documents refer to.

    Attributes:
        shown: Its name for people.
        name: Its name in ids.
        id: ARM id.
        server: Shown name of the server it belongs to; empty for servers themselves.
    """

    shown: str
    name: str
    id: str
    server: str = ""


@dataclass(frozen=True)
class Catalog:
    """Everything that documents may refer to, by what it is."""

    servers: Sequence[Named] = ()
    clouds: Sequence[Named] = ()
    networks: Sequence[Named] = ()
    classifications: Sequence[Named] = ()
    machines: Sequence[Named] = ()
    policies: Sequence[Named] = ()
    # Names that several things of a kind have cannot stand for one of them.
    kinds: Mapping[str, str] = field(
        default_factory=lambda: {
            "server": "servers",
            "cloud": "clouds",
            "network": "networks",
            "classification": "classifications",
            "machine": "machines",
            "policy": "policies",
        }
    )

    def of(self, kind: str, server: str = "") -> Sequence[Named]:
        """Things of a kind, of all servers or of one."""
        things: Sequence[Named] = getattr(self, self.kinds[kind])
        return [one for one in things if not server or one.server == server]

    def name_for(self, kind: str, thing_id: str) -> str:
        """What a file calls a thing: its shown name, unless another of its server has it, too."""
        things = self.of(kind)
        thing = next((one for one in things if one.id.casefold() == thing_id.casefold()), None)
        if thing is None:
            return thing_id
        same = [
            one
            for one in things
            if one.server == thing.server and one.shown.casefold() == thing.shown.casefold()
        ]
        return thing.shown if len(same) == 1 else thing.name

    def find(self, kind: str, text: str, server: str = "") -> list[Named]:
        """What a text means: by the name in ids, or the shown one."""
        wanted = text.casefold()
        things = self.of(kind, server)
        exact = [one for one in things if one.name.casefold() == wanted]
        return exact or [one for one in things if one.shown.casefold() == wanted]

    def id_of(self, kind: str, text: str, server: str = "") -> str:
        """The id that a resolved text means; empty when nothing has it."""
        found = self.find(kind, text, server)
        return found[0].id if len(found) == 1 else ""


class Resolver:
    """Replaces the names in resources by those that exports use, and says which mean nothing."""

    def __init__(self, catalog: Catalog, wanted: Iterable[Resource]) -> None:
        self._catalog = catalog
        # A policy may be made by the same files.
        self._new_policies = {
            one.name.casefold(): one.name for one in wanted if one.kind is Kind.POLICY
        }
        self.problems: list[Problem] = []

    def resolve(self, resource: Resource) -> Resource:
        """The resource with names that mean one thing each."""
        spec = dict(resource.spec)
        name = resource.name
        match resource.kind:
            case Kind.BANDWIDTH_LIMIT:
                name = self._name(resource, "server", name, ("name",))
            case Kind.PAIRING:
                for side in ("source", "target"):
                    spec[side] = self._place(resource, side, "cloud")
                spec["policy"] = self._policy(resource, str(spec["policy"]))
            case Kind.NETWORK_MAPPING | Kind.STORAGE_MAPPING:
                mapped = resource.kind is Kind.NETWORK_MAPPING
                for side in ("source", "target"):
                    thing = "network" if mapped else "classification"
                    spec[side] = self._place(resource, side, thing)
            case Kind.RECOVERY_PLAN:
                for side in ("primaryServer", "recoveryServer"):
                    spec[side] = self._name(resource, "server", str(spec[side]), ("spec", side))
                spec["groups"] = self._groups(resource, spec["groups"])
        return Resource(resource.kind, name, spec, resource.document)

    def _place(self, resource: Resource, side: str, kind: str) -> Value:
        given = resource.spec[side]
        assert isinstance(given, Mapping)  # noqa: S101 - a Reader made it
        server = self._name(resource, "server", str(given["server"]), ("spec", side, "server"))
        path = ("spec", side, kind)
        return {"server": server, kind: self._name(resource, kind, str(given[kind]), path, server)}

    def _policy(self, resource: Resource, given: str) -> str:
        if given.casefold() in self._new_policies:
            return self._new_policies[given.casefold()]
        return self._name(resource, "policy", given, ("spec", "policy"))

    def _groups(self, resource: Resource, groups: Value) -> Value:
        found: list[Value] = []
        for index, group in enumerate(groups if isinstance(groups, Sequence) else ()):
            assert isinstance(group, Mapping)  # noqa: S101 - a Reader made it
            path = ("spec", "groups", index, "machines")
            machines = group["machines"]
            assert isinstance(machines, Sequence)  # noqa: S101 - a Reader made it
            names: set[str] = {
                name
                for place, text in enumerate(machines)
                for name in self._machines(resource, str(text), (*path, place))
            }
            machines_named: list[Value] = [*sorted(names, key=str.casefold)]
            found.append({**group, "machines": machines_named})
        return found

    def _machines(self, resource: Resource, text: str, path: Path) -> list[str]:
        """A machine, or all that a pattern such as web-* means."""
        if not set("*?[") & set(text):
            return [self._name(resource, "machine", text, path)]
        known = self._catalog.of("machine")
        fits = [one for one in known if fnmatchcase(one.shown.casefold(), text.casefold())]
        if not fits:
            self._say(resource, "machine", text, path, known)
        return [self._catalog.name_for("machine", one.id) for one in fits]

    def _name(self, resource: Resource, kind: str, text: str, path: Path, server: str = "") -> str:
        found = self._catalog.find(kind, text, server)
        if len(found) != 1:
            self._say(resource, kind, text, path, found or self._catalog.of(kind, server))
            return text
        return self._catalog.name_for(kind, found[0].id)

    def _say(
        self, resource: Resource, kind: str, text: str, path: Path, there: Sequence[Named]
    ) -> None:
        several = [one for one in there if one.shown.casefold() == text.casefold()]
        names = ", ".join(sorted((one.name if several else one.shown) for one in there)[:20])
        what = "protected machine" if kind == "machine" else kind
        self.problems.append(
            resource.document.problem(
                path,
                f'{len(several)} {what}s are called "{text}".'
                if several
                else f'There is no {what} "{text}".',
                "" if several else "It is misspelt, or not in this vault.",
                f"Use one of: {names or 'there is none'}.",
            )
        )
