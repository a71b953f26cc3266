"""Pictures of points, paths, fields and training: matplotlib only, one function for each kind of figure.

Each takes plain tensors or callables and optional axes, draws, and returns the axes (or the figure, for panels).
This package is never imported by `import minicm`: that would load matplotlib.
"""

from .colours import end_colours as end_colours
from .curves import loss_curve as loss_curve
from .curves import quality_against_evaluations as quality_against_evaluations
from .demo import Panel as Panel
from .demo import demo_figure as demo_figure
from .demo import save_png as save_png
from .fields import error_heat as error_heat
from .fields import on_grid as on_grid
from .fields import vector_field as vector_field
from .film import Film as Film
from .film import animate as animate
from .maps import consistency_arrows as consistency_arrows
from .maps import consistency_map as consistency_map
from .maps import end_map as end_map
from .maps import trajectories as trajectories
from .points import filmstrip as filmstrip
from .points import image_grid as image_grid
from .points import scatter as scatter
from .slider import Slider as Slider
from .slider import slide as slide
from .style import LINES as LINES
from .style import MARKERS as MARKERS
from .style import PALETTE as PALETTE
from .style import style as style
from .style import use_style as use_style
