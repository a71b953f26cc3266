"""Pictures of points, paths, fields and training: matplotlib only, one function for each kind of figure.

Each takes plain tensors or callables and optional axes, draws, and returns the axes (or the figure, for panels).
This package is never imported by `import minicm`: that would load matplotlib.
"""

from .colours import end_colours
from .curves import loss_curve, quality_against_evaluations
from .demo import Panel, demo_figure, save_png
from .fields import error_heat, on_grid, vector_field
from .maps import consistency_arrows, consistency_map, end_map, trajectories
from .points import density_scatter, filmstrip, image_grid, scatter
from .style import LINES, MARKERS, PALETTE, style, use_style

__all__ = [
    "LINES",
    "MARKERS",
    "PALETTE",
    "Panel",
    "consistency_arrows",
    "consistency_map",
    "demo_figure",
    "density_scatter",
    "end_colours",
    "end_map",
    "error_heat",
    "filmstrip",
    "image_grid",
    "loss_curve",
    "on_grid",
    "quality_against_evaluations",
    "save_png",
    "scatter",
    "style",
    "trajectories",
    "use_style",
    "vector_field",
]
