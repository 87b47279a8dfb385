# The part in C: its sources are in native/. It may be absent; only `native` imports it.
from typing import Any, Self, TypeAlias

# Key, inner key or nothing, form, nullable, what an absent key means (`...`: it has to be there).
Field: TypeAlias = tuple[str, str, str, bool, Any]
Text: TypeAlias = bytes | bytearray | memoryview

class Reader:
    def __new__(cls, fields: tuple[Field, ...], passed: tuple[str, ...]) -> Self: ...
    def columns(self, text: Text, at: int, strict: bool, /) -> tuple[tuple[list[Any], ...], int] | None: ...

def paired(data: Text, /) -> bool: ...
