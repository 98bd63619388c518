"""The motifs: each paints one kind of scene with colours and details chosen by the canvas' own generator."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from example_project.photos.drawing.canvas import HEIGHT, WIDTH, Canvas, mix, number

# Sky from top to horizon, light, and the colour of what stands far away and near.
SKIES = (
    ("#2b3a67", "#d9627a", "#ffc27a", "#fff0c9", "#8b4a76", "#1f1838"),
    ("#4a86c5", "#9fcbe8", "#f4e9d2", "#fffbe8", "#7fa3bf", "#1f4a5c"),
    ("#5b3a8c", "#e0709a", "#ffd1a1", "#fff3d6", "#a2639b", "#2c1b4d"),
    ("#ff8a5c", "#ffb978", "#ffe6b5", "#fffdf0", "#d4805f", "#5a2d3c"),
    ("#2f7f86", "#8fc9b5", "#f7e8b4", "#fffbe0", "#6fa59a", "#123f45"),
    ("#33426b", "#7d86b8", "#e8c9cf", "#fff6ef", "#7a80ab", "#20294a"),
)
# Symbols, drawn with their foot or heart at 0,0.
FIR = '<path d="M0-100L7-72H3L11-48H6L16-24H9L19 0H-19L-9-24H-16L-6-48H-11L-3-72H-7Z"/>'
FLOWER = (
    '<path d="M0 0V30" stroke="#2c6140" stroke-width="2.2"/><circle cy="-7" r="6"/><circle cx="6.7" cy="-2" r="6"/>'
    '<circle cx="4.2" cy="5.7" r="6"/><circle cx="-4.2" cy="5.7" r="6"/><circle cx="-6.7" cy="-2" r="6"/>'
)

NIGHTS = (("#0b1437", "#27396f", "#5b6fae"), ("#0a1a2f", "#134a5e", "#3b8686"), ("#170f33", "#452a6b", "#9b5c8f"))


def mountains(canvas: Canvas) -> None:
    """Ridge behind ridge, paler with distance, over a lake or a valley."""
    random = canvas.random
    top, middle, low, light, far, near = random.choice(SKIES)
    canvas.sky(top, middle, low)
    canvas.sun(random.uniform(120, 480), random.uniform(110, 190), random.uniform(22, 36), light, light)
    for _ in range(random.randint(1, 3)):
        canvas.cloud(random.uniform(60, 540), random.uniform(50, 130), random.uniform(28, 52), "#ffffff", 0.35)
    _peaks(canvas, 285, mix(far, low, 0.35))
    for layer in range(4):
        outline = canvas.ridge(262 + layer * 36, 34 - layer * 4, 12)
        canvas.land(outline, canvas.gradient(mix(far, near, layer / 3), mix(far, near, min(1, layer / 3 + 0.25))))
    canvas.birds(random.uniform(120, 480), random.uniform(90, 170), near)


def _peaks(canvas: Canvas, base: float, colour: str) -> None:
    """Three or four pointed peaks with snow on the sunny side."""
    random = canvas.random
    for x in random.sample(range(40, 580, 90), k=random.randint(3, 4)):
        height, half = random.uniform(95, 170), random.uniform(90, 140)
        peak = base - height
        canvas.polygon([(x - half, base + 40), (x, peak), (x + half, base + 40)], colour)
        canvas.polygon([(x, peak), (x + half, base + 40), (x + half * 0.15, base + 40)], "#20183a", 0.16)
        snow = 0.32
        canvas.polygon(
            [
                (x, peak),
                (x - half * snow * 0.8, peak + (height + 40) * snow * 0.8),
                (x - half * 0.09, peak + height * 0.22),
                (x + half * 0.04, peak + height * 0.37),
                (x + half * 0.12, peak + height * 0.22),
                (x + half * snow * 0.8, peak + (height + 40) * snow * 0.8),
            ],
            "#ffffff",
            0.85,
        )


def sea(canvas: Canvas) -> None:
    """A low sun over water, with sails on the horizon."""
    random = canvas.random
    top, middle, low, light, far, near = random.choice(SKIES)
    horizon = random.uniform(205, 240)
    sun = random.uniform(150, 450)
    canvas.sky(top, middle, low, low)
    canvas.sun(sun, horizon - random.uniform(8, 45), random.uniform(30, 44), light, light)
    for _ in range(random.randint(2, 4)):
        canvas.cloud(random.uniform(40, 560), random.uniform(50, 140), random.uniform(24, 50), "#ffffff", 0.45)
    canvas.rectangle(0, horizon, WIDTH, HEIGHT - horizon, canvas.gradient(mix(low, far, 0.6), near))
    for row in range(16):
        y = horizon + 5 + row * row * 0.65
        half = random.uniform(14, 34) + row * 3
        canvas.rectangle(sun - half + random.uniform(-12, 12), y, half * 2, 1.6 + row * 0.16, light, 0.5 - row * 0.02)
    for _ in range(random.randint(1, 3)):
        _sail(canvas, random.uniform(60, 540), horizon + random.uniform(4, 46), near)
    for layer in range(3):
        canvas.land(canvas.ridge(345 + layer * 22, 6, 14), mix(far, near, 0.6 + layer * 0.2), 0.55)
    canvas.birds(random.uniform(120, 480), random.uniform(90, 150), near)


def _sail(canvas: Canvas, x: float, y: float, hull: str) -> None:
    size = 14 + (y - 200) * 0.55
    canvas.polygon([(x, y - size * 1.7), (x + size * 0.75, y - 3), (x, y - 3)], "#fffaf0", 0.95)
    canvas.polygon([(x - 2, y - size * 1.35), (x - size * 0.5, y - 3), (x - 2, y - 3)], "#ffe1cf", 0.95)
    canvas.polygon(
        [(x - size * 0.7, y - 1), (x + size * 0.85, y - 1), (x + size * 0.5, y + 5), (x - size * 0.45, y + 5)], hull
    )


def forest(canvas: Canvas) -> None:
    """Rows of firs in the mist."""
    random = canvas.random
    canvas.symbol("fir", FIR)
    top, middle, low, light, far, near = random.choice(SKIES)
    canvas.sky(mix(top, middle, 0.5), mix(middle, low, 0.5), "#fdf6ea")
    canvas.sun(random.uniform(140, 460), random.uniform(90, 150), random.uniform(26, 40), light, light)
    canvas.land(canvas.ridge(215, 30, 12), mix(far, low, 0.5))
    for layer in range(4):
        base, share = 240 + layer * 48, 0.15 + layer * 0.28
        colour = mix(mix(far, low, 0.3), near, min(1, share))
        ground = canvas.ridge(base, 8, 12)
        x = random.uniform(-20, 10)
        while x < WIDTH + 20:
            height = (46 + layer * 26) * random.uniform(0.65, 1.2)
            _fir(canvas, x, base + 12, height, colour)
            x += height * random.uniform(0.26, 0.5)
        canvas.land(ground, canvas.gradient(colour, mix(colour, low, 0.35) if layer < 3 else colour))
    canvas.birds(random.uniform(120, 480), random.uniform(70, 130), near)


def _fir(canvas: Canvas, x: float, base: float, height: float, colour: str) -> None:
    canvas.place("fir", x, base, height / 100, colour)


def city(canvas: Canvas) -> None:
    """A skyline at night with lit windows and the moon."""
    random = canvas.random
    top, middle, low = random.choice(NIGHTS)
    canvas.sky(top, middle, mix(low, "#ffb08a", 0.55))
    canvas.stars(46, 190)
    canvas.sun(random.uniform(90, 510), random.uniform(60, 120), random.uniform(18, 30), "#fff6df", "#ffe9b8")
    for layer in range(3):
        colour = mix(mix(low, middle, 0.55), "#0a0d1f", 0.2 + layer * 0.37)
        x = random.uniform(-30, 0)
        while x < WIDTH:
            width = random.uniform(34, 70)
            height = random.uniform(60, 190 - layer * 28) + (2 - layer) * 32
            _tower(canvas, x, width, height, colour, lit=layer)
            x += width + random.choice((0, 0, 4, 9))
    canvas.rectangle(0, 372, WIDTH, 28, "#080a18")


def _tower(canvas: Canvas, x: float, width: float, height: float, colour: str, *, lit: int) -> None:
    random = canvas.random
    top = 376 - height
    canvas.rectangle(x, top, width, height, colour)
    if random.random() < 0.3:
        canvas.rectangle(x + width / 2 - 1, top - 22, 2, 22, colour)
    if not lit:
        return
    light = random.choice(("#ffd27a", "#ffe2a8", "#ffc36b"))
    # One path for all lit windows of a tower keeps the picture small.
    windows = "".join(
        f"M{number(column)} {number(row)}h5v7h-5z"
        for column in _steps(x + 6, x + width - 9, 11)
        for row in _steps(top + 9, 362, 15)
        if random.random() < 0.36
    )
    if windows:
        canvas.path(windows, light, 0.9)


def _steps(start: float, end: float, step: float) -> list[float]:
    return [start + step * index for index in range(int(max(0, (end - start) // step + 1)))]


def desert(canvas: Canvas) -> None:
    """Dunes with a lit and a shaded side."""
    random = canvas.random
    top, low, sand, shade = random.choice(
        (
            ("#f08a5d", "#ffd9a0", "#e9a15b", "#8f4a3c"),
            ("#3f6fa8", "#fbe3bd", "#dfa86a", "#7d5140"),
            ("#7a3b69", "#ffb88a", "#c96f53", "#4f2344"),
        )
    )
    canvas.sky(top, mix(top, low, 0.6), low)
    canvas.sun(random.uniform(130, 470), random.uniform(90, 170), random.uniform(30, 46), "#fff6dc", "#fff0c2")
    for layer in range(4):
        outline = canvas.ridge(225 + layer * 46, 26 + layer * 3, 6)
        lit = mix(mix(sand, low, 0.5), sand, layer / 3)
        canvas.land(outline, canvas.gradient(lit, mix(lit, shade, 0.55)))
        shifted = [(x, y + 16 + abs(x - 300) * 0.05) for x, y in outline]
        canvas.land(shifted, shade, 0.13)
    for _ in range(random.randint(2, 4)):
        _cactus(canvas, random.uniform(40, 560), random.uniform(330, 385))


def _cactus(canvas: Canvas, x: float, base: float) -> None:
    size = (base - 300) * 0.75
    green = "#2f5d4a"
    width = size * 0.17
    canvas.stroke(f"M{number(x)} {number(base)}v{number(-size)}", green, width)
    for side, level in ((1, 0.55), (-1, 0.4)):
        arm = f"M{number(x)} {number(base - size * level)}q{number(side * size * 0.3)} 0 {number(side * size * 0.3)} "
        canvas.stroke(f"{arm}{number(-size * 0.3)}", green, width * 0.8)


def aurora(canvas: Canvas) -> None:
    """Northern lights over snow and a cabin."""
    random = canvas.random
    canvas.symbol("fir", FIR)
    top, middle, _ = random.choice(NIGHTS)
    canvas.sky(top, middle, mix(middle, "#9fe3c8", 0.25))
    canvas.stars(70, 240)
    for colour in random.sample(("#5ef2b0", "#7df9d0", "#8f7bff", "#ff8fd0", "#62d6ff"), k=3):
        _curtain(canvas, random.uniform(120, 210), colour)
    canvas.land(canvas.ridge(285, 26, 10), mix(top, middle, 0.4))
    canvas.land(canvas.ridge(325, 14, 8), canvas.gradient("#dfeaf7", "#93a9cd"))
    x = random.uniform(150, 450)
    for tree in range(7):
        _fir(canvas, (x + 80 + tree * 71) % 600, 345 + tree % 3 * 9, random.uniform(40, 78), "#0c1730")
    _cabin(canvas, x, 352)


def _curtain(canvas: Canvas, height: float, colour: str) -> None:
    random = canvas.random
    paint = canvas.gradient("#0b1437", colour, "#0b1437")
    outline = canvas.ridge(height, 34, 30)
    canvas.add(f'<g opacity="{number(random.uniform(0.22, 0.34))}">')
    # Each ray is twice as wide as its step, so that rays fade into each other.
    for x, y in outline:
        length = random.uniform(80, 160)
        canvas.rectangle(x - 20, y - length, 40, length * 1.15, paint, random.uniform(0.35, 0.75))
    canvas.add("</g>")


def _cabin(canvas: Canvas, x: float, base: float) -> None:
    canvas.ellipse(x, base - 8, 70, 34, canvas.glow("#ffc46b"))
    canvas.rectangle(x - 24, base - 26, 48, 28, "#3a241c")
    canvas.polygon([(x - 31, base - 24), (x, base - 48), (x + 31, base - 24)], "#eef4fb")
    canvas.rectangle(x - 14, base - 18, 11, 11, "#ffd889")
    canvas.rectangle(x + 4, base - 18, 10, 20, "#ffb45e")


def balloons(canvas: Canvas) -> None:
    """Hot-air balloons over hills."""
    random = canvas.random
    top, middle, low, light, far, near = random.choice(SKIES)
    canvas.sky(mix(top, "#6db5e8", 0.45), mix(middle, "#bfe3f5", 0.45), low)
    canvas.sun(random.uniform(90, 510), 250, 34, light, light)
    for _ in range(3):
        canvas.cloud(random.uniform(40, 560), random.uniform(60, 210), random.uniform(26, 50), "#ffffff", 0.6)
    green = random.choice(("#6b9a5b", "#8aa35a", "#4f8f78"))
    for layer in range(3):
        colour = mix(mix(green, low, 0.55 - layer * 0.25), near, layer * 0.2)
        canvas.land(canvas.ridge(300 + layer * 30, 20, 8), canvas.gradient(colour, mix(colour, near, 0.35)))
    columns = random.sample((70, 170, 280, 390, 500), k=random.randint(3, 4))
    for order, x in enumerate(sorted(columns, key=lambda column: -column % 7)):
        size = 24 + order * 11
        _balloon(canvas, x + random.uniform(-18, 18), random.uniform(80, 210 - order * 14) + order * 8, size)


def _balloon(canvas: Canvas, x: float, y: float, size: float) -> None:
    random = canvas.random
    first, second = random.sample(("#ef476f", "#ffd166", "#06a77d", "#118ab2", "#f78c6b", "#7b4fa3", "#fff4e0"), k=2)
    r, low = number(size), number(y + size * 1.5)
    side = size * 0.94
    canvas.path(
        f"M{number(x - size)} {number(y)}a{r} {r} 0 0 1 {number(size * 2)} 0"
        f"C{number(x + side)} {number(y + size * 0.7)} {number(x + size * 0.3)} {number(y + size)} "
        f"{number(x + size * 0.18)} {low}H{number(x - size * 0.18)}"
        f"C{number(x - size * 0.3)} {number(y + size)} {number(x - side)} {number(y + size * 0.7)} "
        f"{number(x - size)} {number(y)}z",
        first,
    )
    for share in (0.62, 0.2):
        colour = second if share > 0.5 else first
        canvas.path(
            f"M{number(x)} {number(y - size)}C{number(x - size * share * 1.35)} {number(y - size * 0.9)} "
            f"{number(x - size * share * 1.3)} {number(y + size * 0.5)} {number(x - size * 0.14 * share)} {low}"
            f"H{number(x + size * 0.14 * share)}C{number(x + size * share * 1.3)} {number(y + size * 0.5)} "
            f"{number(x + size * share * 1.35)} {number(y - size * 0.9)} {number(x)} {number(y - size)}z",
            colour,
        )
    canvas.rectangle(x - size * 0.15, y + size * 1.66, size * 0.3, size * 0.24, "#5b3a29")
    for offset in (-0.14, 0.14):
        canvas.stroke(f"M{number(x + size * offset)} {low}V{number(y + size * 1.7)}", "#5b3a29", 1)


def meadow(canvas: Canvas) -> None:
    """Flowers in the foreground, hills behind."""
    random = canvas.random
    canvas.symbol("flower", FLOWER)
    top, middle, low, light, far, _ = random.choice(SKIES[1:5])
    canvas.sky(mix(top, "#8ec9f0", 0.4), mix(middle, "#dff1f7", 0.5), low)
    canvas.sun(random.uniform(100, 500), random.uniform(80, 140), random.uniform(26, 38), light, light)
    canvas.cloud(random.uniform(80, 520), random.uniform(60, 130), random.uniform(34, 56), "#ffffff", 0.6)
    canvas.land(canvas.ridge(220, 24, 9), mix(far, "#7fa36b", 0.4))
    canvas.land(canvas.ridge(262, 18, 9), canvas.gradient("#86b36a", "#5d9157"))
    canvas.land(canvas.ridge(300, 12, 9), canvas.gradient("#6aa356", "#2f6b45"))
    colours = random.sample(("#ff5d73", "#ffc145", "#ffffff", "#b388eb", "#ff8c61", "#f7aef8"), k=3)
    spots = sorted((random.uniform(292, 398), random.uniform(0, WIDTH)) for _ in range(58))
    for y, x in spots:
        _flower(canvas, x, y, 2.4 + (y - 285) * 0.075, random.choice(colours))


def _flower(canvas: Canvas, x: float, y: float, size: float, colour: str) -> None:
    canvas.place("flower", x, y, size / 10, colour)
    canvas.circle(x, y, size * 0.4, "#ffb703" if colour != "#ffc145" else "#9c4a1a")


def geometry(canvas: Canvas) -> None:
    """Tiles of quarter circles, discs and triangles."""
    random = canvas.random
    palette = random.choice(
        (
            ("#f4ede4", "#264653", "#2a9d8f", "#e9c46a", "#f4a261", "#e76f51"),
            ("#fff4e6", "#1d3557", "#457b9d", "#a8dadc", "#e63946", "#ffb703"),
            ("#f6f0ff", "#2b2d42", "#7b5ea7", "#ef8354", "#ffd9a0", "#4fb0ae"),
        )
    )
    canvas.rectangle(0, 0, WIDTH, HEIGHT, palette[0])
    for row in range(4):
        for column in range(6):
            back, front, dot = random.sample(palette, k=3)
            _tile(canvas, column * 100, row * 100, back, front, dot)


def _tile(canvas: Canvas, x: int, y: int, back: str, front: str, dot: str) -> None:
    kind = canvas.random.randrange(6)
    canvas.rectangle(x, y, 100.5, 100.5, back)
    corners = ((x, y), (x + 100, y), (x + 100, y + 100), (x, y + 100))
    turn = canvas.random.randrange(4)
    (ax, ay), (bx, by), (cx, cy) = (corners[(turn + step) % 4] for step in range(3))
    if kind <= 1:
        canvas.path(f"M{ax} {ay}L{bx} {by}A100 100 0 0 1 {ax + cx - bx} {ay + cy - by}z", front)
    elif kind == 2:
        canvas.polygon([(ax, ay), (bx, by), (cx, cy)], front)
    elif kind == 3:
        canvas.circle(x + 50, y + 50, 50, front)
        canvas.circle(x + 50, y + 50, 20, dot)
    elif kind == 4:
        for offset in (0, 40, 80):
            canvas.rectangle(x, y + offset, 100, 20, front)
    else:
        canvas.path(f"M{ax} {ay}A50 50 0 0 1 {bx} {by}z", front)
        canvas.circle(x + 50, y + 50, 12, dot)


MOTIFS: dict[str, Callable[[Canvas], None]] = {
    "mountains": mountains,
    "sea": sea,
    "forest": forest,
    "city": city,
    "desert": desert,
    "aurora": aurora,
    "balloons": balloons,
    "meadow": meadow,
    "geometry": geometry,
}


@lru_cache(maxsize=512)
def draw(motif: str, seed: int) -> str:
    """Paint ``motif`` with the details that ``seed`` chooses."""
    canvas = Canvas(f"{motif} {seed}")
    MOTIFS[motif](canvas)
    return canvas.finish()
