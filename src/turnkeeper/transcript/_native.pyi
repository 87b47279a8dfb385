# The part in C: its sources are in native/. It may be absent; only `rows` imports it.
from typing import Any, Self, TypeAlias

from turnkeeper.model import Turn

# Key, inner key or nothing, member, form, nullable, what an absent key means (`...`: it has to be there).
Told: TypeAlias = tuple[str, str, str, str, bool, Any]
Text: TypeAlias = bytes | bytearray | memoryview

class Reader:
    def __new__(
        cls,
        kind: type[Any],
        fields: tuple[Told, ...],
        constants: dict[str, Any],
        passed: tuple[str, ...],
        rising: tuple[int, int],
    ) -> Self: ...
    def objects(self, text: Text, at: int, strict: bool, /) -> tuple[list[Any], int] | None: ...
    def columns(self, text: Text, at: int, strict: bool, /) -> tuple[tuple[list[Any], ...], int] | None: ...
    def built(self, columns: tuple[list[Any], ...], /) -> list[Any]: ...

class Turns:
    def __new__(cls, kind: type[Turn], epoch: int, furthest: int) -> Self: ...
    def named(
        self, items: list[Turn], first: int, roles: dict[str, Any], unknown: str, communication: str | None, /
    ) -> None: ...
    def voiced(
        self,
        items: list[Turn],
        at: int,
        stop: int,
        stretch: tuple[int, int, int, int, int],
        answers: dict[str | None, Any],
        communication: str | None,
        language: str | None,
        sentiment: dict[int, float],
        /,
    ) -> int: ...
