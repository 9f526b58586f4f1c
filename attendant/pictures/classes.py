"""Colours and shapes of classes, told apart by everyone (Okabe and Ito 2008), and never by colour alone."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#4b2e83")
SHAPES = ("o", "^", "s", "D", "v", "P")
