"""minicm: consistency models from first principles, from points in the plane to images, in one or two steps.

Read first: shapes, times, paths; solvers/steps; precond; losses/discrete and losses/continuous; training;
sampling/few_steps.  docs/reading-order.md goes on from there.

    shapes checks seeds times paths      what all else is written in
    solvers sampling precond losses      the method: the ODE, few steps, the frame of a network, what is minimised
    averages training checkpoints        the loop and its files
    nets data oracles                    networks; points and pictures; distributions whose answers are known
    evaluation plotting                  how good samples are, and pictures of them
    rivals                               other methods with one or few steps; nothing above imports them
    course lab                           checks of the exercises; settings, runs and commands

Where something new goes: a loss into losses/, that of another method into rivals/; its settings in the plane into
lab/recipes/plane.py or rivals.py; the check of an exercise of lesson NN into course/nbNN.py; what is trained on
pictures into a file of experiments/, beside this package.  CONTRIBUTING.md shows each on an example.
"""

from importlib import import_module
from types import ModuleType

from . import data as data
from .averages import EMA as EMA
from .averages import PowerEMA as PowerEMA
from .losses import ConsistencyLoss as ConsistencyLoss
from .losses import DenoisingLoss as DenoisingLoss
from .losses import SCMLoss as SCMLoss
from .losses import VelocityLoss as VelocityLoss
from .losses import cd as cd
from .losses import consistency_loss as consistency_loss
from .losses import ct as ct
from .losses import ect as ect
from .losses import ict as ict
from .losses import scm_loss as scm_loss
from .nets import MLP as MLP
from .nets import UNet as UNet
from .paths import VE as VE
from .paths import VP as VP
from .paths import Linear as Linear
from .paths import Path as Path
from .paths import TrigFlow as TrigFlow
from .precond import ConsistencyScaling as ConsistencyScaling
from .precond import EDMScaling as EDMScaling
from .precond import PathScaling as PathScaling
from .precond import Preconditioned as Preconditioned
from .precond import Recovered as Recovered
from .precond import TrigFlowScaling as TrigFlowScaling
from .precond import model_on as model_on
from .precond import transport as transport
from .sampling.few_steps import consistency_sample as consistency_sample
from .solvers.multistep import exponential_adams as exponential_adams
from .solvers.steps import ddim_step as ddim_step
from .solvers.steps import euler_step as euler_step
from .solvers.steps import heun_step as heun_step
from .solvers.steps import integrate as integrate
from .solvers.steps import midpoint_step as midpoint_step
from .solvers.steps import probability_flow as probability_flow
from .solvers.steps import rk4_step as rk4_step
from .solvers.steps import trajectory as trajectory
from .times import karras_grid as karras_grid
from .times import log_grid as log_grid
from .times import log_normal as log_normal
from .times import scale_grid as scale_grid
from .times import uniform as uniform
from .times import uniform_grid as uniform_grid
from .training import fit as fit
from .training import progress as progress

__version__ = "0.2.0"


def __getattr__(name: str) -> ModuleType:
    """A subpackage such as cm.evaluation or cm.plotting, imported when it is first asked for."""
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":  # something that the subpackage needs is missing
            raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
