"""The canvas that a scene is painted on: SVG shapes, gradients and a random generator of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

WIDTH, HEIGHT = 600, 400

Point = tuple[float, float]


class Canvas:
    """Collects SVG shapes. Everything random comes from ``random``, so the seed fixes the whole picture."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)  # noqa: S311 - paints pictures, guards nothing
        self._definitions: list[str] = []
        self._shapes: list[str] = []

    def gradient(self, *colours: str, x2: int = 0, y2: int = 1) -> str:
        """Define a linear gradient and return the paint that names it."""
        last = len(colours) - 1
        stops = "".join(
            f'<stop offset="{number(index / last)}" stop-color="{colour}"/>' for index, colour in enumerate(colours)
        )
        name = f"g{len(self._definitions)}"
        self._definitions.append(f'<linearGradient id="{name}" x2="{x2}" y2="{y2}">{stops}</linearGradient>')
        return f"url(#{name})"

    def glow(self, colour: str) -> str:
        """Define a radial gradient that fades out, and return the paint that names it."""
        name = f"g{len(self._definitions)}"
        self._definitions.append(
            f'<radialGradient id="{name}"><stop stop-color="{colour}" stop-opacity=".85"/>'
            f'<stop offset=".4" stop-color="{colour}" stop-opacity=".3"/>'
            f'<stop offset="1" stop-color="{colour}" stop-opacity="0"/></radialGradient>'
        )
        return f"url(#{name})"

    def symbol(self, name: str, shape: str) -> None:
        """Define a shape that is placed often: pictures stay small."""
        self._definitions.append(f'<g id="{name}">{shape}</g>')

    def place(self, name: str, x: float, y: float, scale: float, fill: str) -> None:
        """Add a symbol."""
        where = f"translate({number(x)} {number(y)})scale({number(scale)})"
        self.add(f'<use href="#{name}" transform="{where}" fill="{fill}"/>')

    def add(self, shape: str) -> None:
        """Put a shape on top."""
        self._shapes.append(shape)

    def sky(self, *colours: str) -> None:
        """Fill the background from top to bottom."""
        self.rectangle(0, 0, WIDTH, HEIGHT, self.gradient(*colours))

    def rectangle(self, x: float, y: float, width: float, height: float, fill: str, opacity: float = 1) -> None:
        """Add an upright rectangle."""
        self.add(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
            f'fill="{fill}"{_opacity(opacity)}/>'
        )

    def circle(self, x: float, y: float, radius: float, fill: str, opacity: float = 1) -> None:
        """Add a disc."""
        self.add(f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}"{_opacity(opacity)}/>')

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: str, opacity: float = 1) -> None:
        """Add an ellipse."""
        self.add(
            f'<ellipse cx="{number(x)}" cy="{number(y)}" rx="{number(rx)}" ry="{number(ry)}" '
            f'fill="{fill}"{_opacity(opacity)}/>'
        )

    def polygon(self, points: Iterable[Point], fill: str, opacity: float = 1) -> None:
        """Add a shape with straight edges."""
        path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self.add(f'<polygon points="{path}" fill="{fill}"{_opacity(opacity)}/>')

    def path(self, data: str, fill: str, opacity: float = 1) -> None:
        """Add a path."""
        self.add(f'<path d="{data}" fill="{fill}"{_opacity(opacity)}/>')

    def stroke(self, data: str, colour: str, width: float, opacity: float = 1) -> None:
        """Add a line along a path."""
        self.add(
            f'<path d="{data}" fill="none" stroke="{colour}" stroke-width="{number(width)}" '
            f'stroke-linecap="round"{_opacity(opacity)}/>'
        )

    def land(self, outline: list[Point], fill: str, opacity: float = 1) -> None:
        """Fill from a smooth outline down to the lower edge."""
        self.path(f"{smooth(outline)}V{HEIGHT}H0Z", fill, opacity)

    def sun(self, x: float, y: float, radius: float, colour: str, halo: str) -> None:
        """Add a sun or a moon with its light around it."""
        self.circle(x, y, radius * 4.5, self.glow(halo))
        self.circle(x, y, radius, colour)

    def stars(self, count: int, depth: float) -> None:
        """Scatter stars over the upper part of the sky."""
        for _ in range(count):
            radius = self.random.choice((0.7, 0.9, 1.2, 1.8))
            x, y = self.random.uniform(0, WIDTH), self.random.uniform(0, depth)
            self.circle(x, y, radius, "#fff", self.random.uniform(0.35, 1))

    def cloud(self, x: float, y: float, size: float, colour: str, opacity: float) -> None:
        """Add a flat-bottomed cloud."""
        self.path(
            f"M{number(x - size)} {number(y)}q{number(-size * 0.1)} {number(-size * 0.4)} {number(size * 0.45)} "
            f"{number(-size * 0.4)}q{number(size * 0.2)} {number(-size * 0.5)} {number(size * 0.7)} "
            f"{number(-size * 0.2)}q{number(size * 0.55)} {number(-size * 0.1)} {number(size * 0.6)} "
            f"{number(size * 0.6)}z",
            colour,
            opacity,
        )

    def birds(self, x: float, y: float, colour: str) -> None:
        """Add a few birds far away."""
        for _ in range(self.random.randint(3, 6)):
            left, top = x + self.random.uniform(-60, 60), y + self.random.uniform(-28, 28)
            span = self.random.uniform(5, 9)
            half = f"q{number(span / 2)} {number(-span * 0.7)} {number(span)} 0"
            self.stroke(f"M{number(left)} {number(top)}{half}{half}", colour, 1.4, 0.8)

    def ridge(self, height: float, roughness: float, steps: int) -> list[Point]:
        """A jagged or rolling outline around ``height`` made of a few waves."""
        waves = [(self.random.uniform(0, 6.3), self.random.uniform(0.6, 1.3), 0.5**octave) for octave in range(4)]
        return [
            (
                index * WIDTH / steps,
                height
                - roughness
                * sum(
                    share * math.sin(phase + speed * (octave + 1) * 2.2 * index / steps * 3.1)
                    for octave, (phase, speed, share) in enumerate(waves)
                ),
            )
            for index in range(steps + 1)
        ]

    def finish(self) -> str:
        """The picture as an SVG document."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'preserveAspectRatio="xMidYMid slice"><defs>{"".join(self._definitions)}</defs>'
            f"{''.join(self._shapes)}</svg>"
        )


def number(value: float) -> str:
    """Write a coordinate with one decimal at most: pictures stay small."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{value:.1f}".rstrip("0").rstrip(".")


def smooth(points: list[Point]) -> str:
    """A path through the middles of the points, without corners."""
    (x, y), *rest = points
    data = [f"M{number(x)} {number(y)}"]
    for (ax, ay), (bx, by) in zip(rest, rest[1:], strict=False):
        data.append(f"Q{number(ax)} {number(ay)} {number((ax + bx) / 2)} {number((ay + by) / 2)}")
    x, y = rest[-1]
    return f"{''.join(data)}L{number(x)} {number(y)}"


def mix(first: str, second: str, share: float) -> str:
    """A colour between two, ``share`` of the way to the second."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _opacity(value: float) -> str:
    return "" if value == 1 else f' opacity="{number(value)}"'
