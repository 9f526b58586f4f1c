"""Named colours and groups of them. RGB, 0 to 255."""

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
DARK: Colour = (24, 26, 30)
PALE: Colour = (242, 242, 245)
CREAM: Colour = (250, 242, 220)
GRAY: Colour = (140, 142, 148)
BLUE: Colour = (30, 120, 220)
NAVY: Colour = (20, 40, 90)
GREEN: Colour = (40, 150, 70)
RED: Colour = (205, 35, 40)
YELLOW: Colour = (250, 205, 40)
ORANGE: Colour = (240, 130, 30)
PINK: Colour = (240, 130, 180)
PURPLE: Colour = (120, 60, 170)
BROWN: Colour = (120, 75, 40)
SKIN: Colour = (250, 220, 190)

BRIGHT = (BLUE, GREEN, RED, YELLOW, ORANGE, PINK, PURPLE)
DEEP = (NAVY, (20, 70, 45), (110, 15, 25), (60, 30, 90), BROWN, DARK, BLACK)
SOFT = (WHITE, PALE, CREAM, (220, 235, 250), (225, 245, 225), (250, 225, 235), (235, 225, 250))
PAPER = (WHITE, WHITE, PALE, CREAM)
WALLS = ((190, 180, 165), (120, 85, 60), (210, 212, 215), (150, 160, 150), (90, 95, 105), (150, 90, 70))


def ink(background: Colour) -> Colour:
    """Black or white, whichever can be read on `background`."""
    red, green, blue = background
    return BLACK if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else WHITE
