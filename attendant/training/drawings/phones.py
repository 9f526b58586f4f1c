"""What a phone shows: chats, posts, the weather, a lock screen, signs of applications."""

from attendant.training.drawings import faces
from attendant.training.drawings.canvas import LEADING, Canvas, Pen, wrap
from attendant.training.drawings.colours import (
    BLACK,
    BLUE,
    BRIGHT,
    DARK,
    DEEP,
    GRAY,
    GREEN,
    PALE,
    PURPLE,
    RED,
    SOFT,
    WHITE,
    YELLOW,
    Colour,
    ink,
)
from attendant.training.drawings.phrases import DAYS, NAMES, PLACES

NIGHT: Colour = (50, 52, 58)
SKIES = ((90, 160, 230), (60, 110, 180), (110, 130, 155), (40, 50, 80), (250, 250, 252), (30, 60, 120))


def chat(page: Canvas) -> None:
    """Bubbles left and right under a bar with a name."""
    dark = page.chance(0.25)
    background = DARK if dark else page.pick(SOFT)
    page.fill(background)
    size = page.width / page.share(17, 25)
    top = _bar(page, size, NIGHT if dark else page.pick((*BRIGHT, PALE, DARK)))
    mine = page.pick((BLUE, GREEN, (220, 248, 198), PURPLE))
    theirs = NIGHT if dark else (226, 228, 232) if background in {WHITE, PALE} else WHITE
    while top < page.height - 4 * size:
        right = page.chance(0.5)
        top = _bubble(page, top, size, mine if right else theirs, right) + size * page.share(0.4, 1.4)
    if page.chance(0.7):
        bottom = page.height
        page.box(0, bottom - 2 * size, page.width, bottom, background)
        page.box(size, bottom - 1.7 * size, page.width - 3 * size, bottom - 0.3 * size, theirs, size)
        page.disc(page.width - 1.6 * size, bottom - size, 0.7 * size, mine)


def _bubble(page: Canvas, top: float, size: float, colour: Colour, right: bool) -> float:
    """One message; returns where it ends."""
    text, pen = page.phrase(1, 18), Pen(size, ink(colour))
    width = min(page.width * 0.74, (len(text) + 1) * size * faces.breadth(pen.face) + size)
    bottom = top + len(wrap(text, pen, width - size)) * size * LEADING + size * 0.8
    left = page.width - width - size * 0.6 if right else size * 0.6
    page.box(left, top, left + width, bottom, colour, size * 0.8)
    page.paragraph(left + size * 0.5, top + size * 0.35, width - size, text, pen)
    if page.chance(0.3):
        page.text(left, bottom + size * 0.1, page.clock(), Pen(size * 0.65, GRAY))
        bottom += size * 0.7
    return bottom


def _bar(page: Canvas, size: float, colour: Colour) -> float:
    """The phone's own line, then the application's bar; returns where they end."""
    page.box(0, 0, page.width, 4.2 * size, colour)
    small = Pen(size * 0.75, ink(colour), faces.BOLD)
    page.text(size, size * 0.25, page.clock(), small)
    page.text(page.width - size, size * 0.25, f"4G {page.count(1, 99)}%", small, "ra")
    page.text(size * 0.6, 2 * size, "<", Pen(1.3 * size, ink(colour)))
    page.disc(3 * size, 2.8 * size, size, page.pick(BRIGHT))
    page.text(4.6 * size, 2.1 * size, page.name(), Pen(1.1 * size, ink(colour), faces.BOLD))
    return 5 * size


def post(page: Canvas) -> None:
    """One or a few short public messages, each with a name, a text and a row of signs."""
    dark = page.chance(0.35)
    page.fill(page.pick((DARK, BLACK, (21, 32, 43))) if dark else WHITE)
    size = page.width / page.share(18, 30)
    top = size * page.share(0.5, 2)
    while top < page.height - 5 * size:
        top = _message(page, top, size, WHITE if dark else DARK)


def _message(page: Canvas, top: float, size: float, colour: Colour) -> float:
    left, wide, faint = 4.6 * size, page.width - 6 * size, Pen(0.85 * size, GRAY)
    page.disc(2.4 * size, top + 1.5 * size, 1.4 * size, page.pick(BRIGHT))
    page.text(left, top, page.name(), Pen(size, colour, faces.BOLD))
    page.text(left, top + 1.3 * size, f"@{page.pick(NAMES)}{page.number()} · {page.count(1, 23)}h", faint)
    pen = Pen(size * page.pick((1.0, 1.0, 1.3)), colour)
    top = page.paragraph(left, top + 2.8 * size, wide, page.phrase(5, 26), pen)
    if page.chance(0.25):
        high = page.width * page.share(0.3, 0.5)
        page.scene(left, top + size * 0.4, wide, high)
        top += high + size
    for step in range(4):
        x = left + (step + 0.1) * wide / 4
        page.disc(x, top + 0.9 * size, 0.4 * size, page.pick((GRAY, RED, GREEN, BLUE)))
        page.text(x + 0.8 * size, top + 0.4 * size, page.number(page.count(1, 4)), faint)
    page.box(0, top + 2.1 * size, page.width, top + 2.1 * size + 1, GRAY)
    return top + 2.8 * size


def forecast(page: Canvas) -> None:
    """The weather: a place, a large number, a row of days with suns and clouds."""
    background = page.pick(SKIES)
    page.fill(background)
    size = page.shorter / page.share(13, 18)
    pen = Pen(size, ink(background))
    page.text(page.width / 2, size, page.pick(PLACES).title(), pen._replace(size=1.6 * size), "ma")
    large = pen._replace(size=page.share(3, 4.4) * size)
    page.text(page.width / 2, 3 * size, f"{page.count(-9, 39)}°", large, "ma")
    days = page.count(4, 7)
    for row, day in enumerate(DAYS[:days]):
        y = 8.2 * size + row * (page.height - 9 * size) / days
        page.text(size, y, day, pen)
        _weather(page, page.width / 2, y + size * 0.6, size * 0.55)
        page.text(page.width - size, y, f"{page.count(-9, 39)}°  {page.count(-9, 39)}°", pen, "ra")


def _weather(page: Canvas, x: float, y: float, radius: float) -> None:
    """A sun, a cloud, or both, with rain or not."""
    clouds = page.chance(0.6)
    if not clouds or page.chance(0.5):
        page.disc(x, y, radius, YELLOW)
    if clouds:
        for shift in (-0.9, 0, 0.9):
            page.disc(x + shift * radius, y + radius * 0.4, radius * 0.7, (225, 230, 236))
        for shift in (-0.8, 0.2) if page.chance(0.5) else ():
            drop = x + shift * radius
            page.draw.line((drop, y + radius, drop - 0.2 * radius, y + 1.7 * radius), BLUE, 2)


def lock_screen(page: Canvas) -> None:
    """The time over something blurred, maybe with notices or a number pad."""
    page.backdrop()
    size = page.width / page.share(12, 18)
    page.text(page.width / 2, 2.5 * size, page.clock(), Pen(4 * size, WHITE), "ma")
    page.text(page.width / 2, 7 * size, f"{page.pick(DAYS)} {page.count(1, 30)}", Pen(size, WHITE), "ma")
    if page.chance(0.4):
        _pad(page, size)
        return
    top, left, right = 9.5 * size, size * 0.6, page.width - size * 0.6
    for _ in range(page.count(1, 5)):
        page.box(left, top, right, top + 3.6 * size, (232, 234, 238), size * 0.6)
        page.box(size, top + size * 0.4, 2 * size, top + 1.4 * size, page.pick(BRIGHT), size * 0.2)
        page.text(2.5 * size, top + size * 0.4, page.phrase(1, 2), Pen(size * 0.8, GRAY, faces.BOLD))
        page.text(size, top + 1.9 * size, page.phrase(3, 6), Pen(size * 0.8, DARK))
        top += 4.1 * size


def _pad(page: Canvas, size: float) -> None:
    radius = min(page.width * 0.1, page.height * 0.065)
    for key in range(9):
        x, y = page.width * (0.25 + 0.25 * (key % 3)), page.height * (0.5 + 0.15 * (key // 3))
        page.disc(x, y, radius, (70, 72, 80), WHITE)
        page.text(x, y, str(key + 1), Pen(1.4 * size, WHITE), "mm")


def home_screen(page: Canvas) -> None:
    """Rows of coloured signs, each with a name."""
    if page.chance(0.6):
        page.backdrop()
    else:
        page.fill(page.pick((*DEEP, *SOFT)))
    columns = page.count(3, 5)
    step = page.width / columns
    half = step * page.share(0.27, 0.36)
    for row in range(int(page.height / step * 0.85)):
        for column in range(columns):
            x, y = (column + 0.5) * step, (row + 0.6) * step * 1.12
            colour = page.pick((*BRIGHT, WHITE, DARK))
            page.box(x - half, y - half, x + half, y + half, colour, half * 0.44)
            page.text(x, y, page.pick("abcdefgmnopqst&#@+?!"), Pen(half * 1.2, ink(colour), faces.BOLD), "mm")
            page.text(x, y + half * 1.12, page.phrase(1, 1)[:8], Pen(step * 0.12, WHITE), "ma")
