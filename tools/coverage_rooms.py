"""How much of each room of ``src/turnkeeper`` the suite ran, beside its floor: ``python -m tools.coverage_rooms``.

Reads what the processes of ``make test`` left in ``build/coverage`` and fails where a room is below its floor or has
none. ``--raise`` writes the floors: half a percent or more below what was measured, never lower than before; with
``--lower`` also lower. A room is a folder of the package; the modules beside the folders are one room together.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path

import coverage

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/turnkeeper"
FLOORS = ROOT / "coverage-floors.toml"


def measured(data: coverage.Coverage) -> dict[str, tuple[int, float]]:
    """Statements of each room, and the percentage of them that ran; a file that no process loaded counts too."""
    statements: Counter[str] = Counter()
    ran: Counter[str] = Counter()
    for path in PACKAGE.rglob("*.py"):
        room, *inside = path.relative_to(PACKAGE).parts
        room = room if inside else PACKAGE.name
        _, lines, _, unrun, _ = data.analysis2(str(path))
        statements[room] += len(lines)
        ran[room] += len(lines) - len(unrun)
    return {room: (count, 100 * ran[room] / count) for room, count in sorted(statements.items()) if count}


def raised(floors: dict[str, int], rooms: dict[str, tuple[int, float]], *, lower: bool) -> dict[str, int]:
    """The floors that follow from what was measured. Rooms that are gone have none."""
    fresh = {room: int(covered - 0.5) for room, (_, covered) in rooms.items()}
    return {room: floor if lower else max(floor, floors.get(room, 0)) for room, floor in fresh.items()}


def table(floors: dict[str, int], rooms: dict[str, tuple[int, float]]) -> str:
    """One line for each room: statements, percentage, floor, and what is wrong with it."""
    lines = [f"{'room':<12} {'statements':>10} {'covered':>8} {'floor':>6}"]
    for room, (count, covered) in rooms.items():
        floor = floors.get(room)
        wrong = "no floor: make floors" if floor is None else "below its floor" if covered < floor else ""
        lines.append(f"{room:<12} {count:>10} {covered:>7.1f}% {'-' if floor is None else floor:>6}  {wrong}".rstrip())
    return "\n".join(lines)


def main(*arguments: str) -> None:
    data = coverage.Coverage()
    folder = Path(data.config.data_file).parent
    if any(folder.glob("data.*")):
        data.combine([str(folder)])
        data.save()
    data.load()
    floors: dict[str, int] = tomllib.loads(FLOORS.read_text()) if FLOORS.exists() else {}
    rooms = measured(data)
    if "--raise" in arguments or "--lower" in arguments:
        floors = raised(floors, rooms, lower="--lower" in arguments)
        head = "# The least percentage of each room's statements that the suite runs. It only rises: make floors\n"
        FLOORS.write_text(head + "".join(f"{room} = {floor}\n" for room, floor in floors.items()))
    print(table(floors, rooms))
    if any(covered < floors.get(room, 101) for room, (_, covered) in rooms.items()):
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
