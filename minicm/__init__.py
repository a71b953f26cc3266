"""minicm: consistency models from first principles, from points in the plane to images, in one or two steps."""

from . import data
from .averages import EMA, PowerEMA
from .losses import ConsistencyLoss, DenoisingLoss, SCMLoss, VelocityLoss, cd, consistency_loss, ct, ect, ict, scm_loss
from .nets import MLP, UNet
from .paths import VE, VP, Linear, Path, TrigFlow
from .precond import (
    ConsistencyScaling,
    EDMScaling,
    PathScaling,
    Preconditioned,
    Recovered,
    TrigFlowScaling,
    model_on,
    transport,
)
from .sampling.few_steps import consistency_sample
from .solvers.multistep import exponential_adams
from .solvers.steps import (
    ddim_step,
    euler_step,
    heun_step,
    integrate,
    midpoint_step,
    probability_flow,
    rk4_step,
    trajectory,
)
from .times import karras_grid, log_grid, log_normal, scale_grid, uniform, uniform_grid
from .training import fit

__version__ = "0.1.0"

__all__ = [
    "EMA",
    "MLP",
    "VE",
    "VP",
    "ConsistencyLoss",
    "ConsistencyScaling",
    "DenoisingLoss",
    "EDMScaling",
    "Linear",
    "Path",
    "PathScaling",
    "PowerEMA",
    "Preconditioned",
    "Recovered",
    "SCMLoss",
    "TrigFlow",
    "TrigFlowScaling",
    "UNet",
    "VelocityLoss",
    "cd",
    "consistency_loss",
    "consistency_sample",
    "ct",
    "data",
    "ddim_step",
    "ect",
    "euler_step",
    "exponential_adams",
    "fit",
    "heun_step",
    "ict",
    "integrate",
    "karras_grid",
    "log_grid",
    "log_normal",
    "midpoint_step",
    "model_on",
    "probability_flow",
    "rk4_step",
    "scale_grid",
    "scm_loss",
    "trajectory",
    "transport",
    "uniform",
    "uniform_grid",
]
