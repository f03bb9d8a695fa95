"""Numbers by day as SVG, made on the server: no script, no style attribute, words for who cannot see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, log10

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 180, 64, 16, 22


@dataclass(frozen=True, slots=True)
class Rect:
    """One bar, or one piece of it."""

    x: float
    y: float
    width: float
    height: float
    series: int
    """Which colour."""
    label: str
    """What it shows, in words."""


@dataclass(frozen=True, slots=True)
class Plot:
    """What the template draws."""

    names: tuple[str, ...]
    """Of the series, in the order of their colours."""
    rects: tuple[Rect, ...]
    ticks: tuple[tuple[float, str], ...]
    """Height and label of each line across."""
    days: tuple[tuple[float, str], ...]
    """Place and label of some days."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def stacked(numbers: Mapping[date, Mapping[str, int]], order: Sequence[str] = ()) -> Plot:
    """A bar a day, a piece for each name; names beyond *order* follow by their letters."""
    found = {name for day in numbers.values() for name in day}
    names = tuple([name for name in order if name in found] + sorted(found - set(order)))
    top = _round_up(max((sum(day.values()) for day in numbers.values()), default=1))
    step = (WIDTH - LEFT) / max(len(numbers), 1)
    rects = [
        rect
        for i, (day, values) in enumerate(sorted(numbers.items()))
        for rect in _pieces(LEFT + i * step, min(step * 0.8, 40), day, values, names, top)
    ]
    every = max(1, ceil(len(numbers) / 6))
    labels = [(LEFT + i * step, f"{day:%d.%m.}") for i, day in enumerate(sorted(numbers)) if i % every == 0]
    ticks = [(_y(value, top), str(value)) for value in (0, top // 2, top)]
    return Plot(names, tuple(rects), tuple(ticks), tuple(labels))


def bars(numbers: Sequence[tuple[str, int]]) -> list[tuple[str, int, float]]:
    """Names and numbers, each with its length in percent of the longest."""
    most = max((number for _, number in numbers), default=1)
    return [(name, number, round(100 * number / most, 1)) for name, number in numbers]


def _pieces(x: float, width: float, day: date, values: Mapping[str, int], names: Sequence[str], top: int) -> list[Rect]:
    pieces, below = [], 0
    for series, name in enumerate(names):
        number = values.get(name, 0)
        if number:
            y = _y(below + number, top)
            height = _y(below, top) - y
            label = f"{day:%Y-%m-%d}: {number} {name}"
            pieces.append(Rect(round(x, 1), round(y, 1), round(width, 1), round(height, 1), series, label))
        below += number
    return pieces


def _y(value: float, top: int) -> float:
    return round((HEIGHT - TOP - BOTTOM) * (1 - value / top) + TOP, 1)


def _round_up(value: int) -> int:
    """To 1, 2, 4, 6, 8, 10 times a power of ten."""
    if value <= 2:
        return 2
    power: int = 10 ** int(log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)
