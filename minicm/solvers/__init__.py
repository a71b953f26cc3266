"""From noise to data along the probability flow: one step, a whole grid, a tolerance, fresh noise; likelihoods."""

from .adaptive import adaptive
from .likelihood import Trace, bits_per_dim, exact_trace, hutchinson_trace, log_likelihood, rademacher
from .multistep import adams_bashforth, dpm_solver_2m, exponential_adams
from .steps import (
    ddim_step,
    euler_step,
    heun_step,
    in_log_nsr,
    integrate,
    midpoint_step,
    probability_flow,
    rk4_step,
    states,
    trajectory,
)
from .stochastic import edm_stochastic, reverse_sde

__all__ = [
    "Trace",
    "adams_bashforth",
    "adaptive",
    "bits_per_dim",
    "ddim_step",
    "dpm_solver_2m",
    "edm_stochastic",
    "euler_step",
    "exact_trace",
    "exponential_adams",
    "heun_step",
    "hutchinson_trace",
    "in_log_nsr",
    "integrate",
    "log_likelihood",
    "midpoint_step",
    "probability_flow",
    "rademacher",
    "reverse_sde",
    "rk4_step",
    "states",
    "trajectory",
]
