"""From noise to data along the probability flow: one step, a whole grid, a tolerance, fresh noise; likelihoods."""

from .adaptive import adaptive as adaptive
from .likelihood import Trace as Trace
from .likelihood import bits_per_dim as bits_per_dim
from .likelihood import exact_trace as exact_trace
from .likelihood import hutchinson_trace as hutchinson_trace
from .likelihood import log_likelihood as log_likelihood
from .likelihood import rademacher as rademacher
from .multistep import adams_bashforth as adams_bashforth
from .multistep import dpm_solver_2m as dpm_solver_2m
from .multistep import exponential_adams as exponential_adams
from .steps import ddim_step as ddim_step
from .steps import euler_step as euler_step
from .steps import heun_step as heun_step
from .steps import in_log_nsr as in_log_nsr
from .steps import integrate as integrate
from .steps import midpoint_step as midpoint_step
from .steps import probability_flow as probability_flow
from .steps import rk4_step as rk4_step
from .steps import states as states
from .steps import trajectory as trajectory
from .stochastic import edm_stochastic as edm_stochastic
from .stochastic import reverse_sde as reverse_sde
