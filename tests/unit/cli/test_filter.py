"""The short way of ``turnkeeper turns`` knows the options that the long way has, and no others."""

from __future__ import annotations

import dataclasses

import pytest

from turnkeeper.cli.app import command_line
from turnkeeper.cli.filter import PLAIN, Request, plain_request


def test_the_table_is_part_of_the_command() -> None:
    known = {}
    for argument in command_line("turns")["turns"].assemble_argument_collection():
        for name in argument.names:
            known[name] = argument
    for name, kind in PLAIN.items():
        hint = str(known[name].hint)
        assert ("int" in hint) == (kind is int), (name, hint)
    fields = {field.name for field in dataclasses.fields(Request)}
    assert {name.removeprefix("--").replace("-", "_") for name in PLAIN} | {"place", "strict"} == fields


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h"],
        ["a", "b"],
        ["--head"],
        ["--head", "x"],
        ["--head", "-1"],
        ["--format", "xml"],
        ["--colour", "red"],
        ["--after", "5"],
        ["--role", "--head"],
        ["--", "a"],
        ["--region", "x", "a"],
    ],
)
def test_what_is_not_plain_goes_the_long_way(words: list[str]) -> None:
    assert plain_request(words) is None


def test_plain_requests() -> None:
    assert plain_request([]) == Request()
    assert plain_request(["-"]) == Request("-")
    given = ["call.json", "--role", "agent,ivr", "--role=customer", "--head", "2", "--format=csv", "--fields", "text"]
    request = plain_request(given)
    assert request == Request("call.json", "csv", "text", 2, None, ["agent,ivr", "customer"], [])
    assert request.selection().roles == {"agent", "ivr", "customer"}
