"""Distributions that answer exactly: samples, density, score, denoiser, and (often) the consistency function.

They teach, they test, and they stand in wherever a trained teacher can.  Nothing here is learnt.
"""

from .base import Flow, FlowOracle, Oracle
from .gaussians import GaussianMixture, empirical, gaussian, gaussian_consistency, gaussian_flow
from .product import Mixture1D, ProductMixture
from .ring import Ring

__all__ = [
    "Flow",
    "FlowOracle",
    "GaussianMixture",
    "Mixture1D",
    "Oracle",
    "ProductMixture",
    "Ring",
    "empirical",
    "gaussian",
    "gaussian_consistency",
    "gaussian_flow",
]
