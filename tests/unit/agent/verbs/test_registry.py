"""Every command has a verb, and every verb's answer has a place in the result."""

from __future__ import annotations

import typing

from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult

from agent.verbs.registry import VERBS, outcome_field, request_of


def test_every_verb_of_the_protocol_can_be_carried_out() -> None:
    fields = {field.name for field in Command.DESCRIPTOR.oneofs_by_name["verb"].fields}
    assert set(VERBS) == fields


def test_every_verb_is_under_the_field_of_its_request() -> None:
    for name, verb in VERBS.items():
        hints = typing.get_type_hints(verb)
        field = Command.DESCRIPTOR.fields_by_name[name]
        assert hints["request"].DESCRIPTOR is field.message_type


def test_every_verbs_answer_has_its_field() -> None:
    for verb in VERBS.values():
        answer = typing.get_type_hints(verb)["return"]()
        assert outcome_field(answer) in CommandResult.DESCRIPTOR.fields_by_name


def test_a_command_of_a_newer_protocol_has_no_name() -> None:
    assert request_of(Command(command_id="x")) == ("", None)
