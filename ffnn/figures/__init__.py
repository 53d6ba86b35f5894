"""Figures: what numbers look like, drawn with Matplotlib and saved as files.

They take plain values, so that whoever has the numbers can draw them.
"""

from ffnn.figures.answers import (
    draw_confusion,
    draw_confusion_difference,
    draw_filters,
    draw_images,
    draw_reliability,
    draw_robustness,
)
from ffnn.figures.canvas import COLOURS, DASHES, new_figure, new_grid, save_figure
from ffnn.figures.conditions import Interval, draw_cost, draw_intervals
from ffnn.figures.curves import draw_curves, draw_each, draw_fans, draw_layers, draw_lines, draw_parts

__all__ = [
    "COLOURS", "DASHES", "Interval", "draw_confusion", "draw_confusion_difference", "draw_cost", "draw_curves",
    "draw_each", "draw_fans", "draw_filters", "draw_images", "draw_intervals", "draw_layers", "draw_lines",
    "draw_parts", "draw_reliability", "draw_robustness", "new_figure", "new_grid", "save_figure",
]  # fmt: skip
