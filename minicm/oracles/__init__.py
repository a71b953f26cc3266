"""Distributions that answer exactly: samples, density, score, denoiser, and (often) the consistency function.

They teach, they test, and they stand in wherever a trained teacher can.  Nothing here is learnt.
"""

from .base import Flow as Flow
from .base import FlowOracle as FlowOracle
from .base import Oracle as Oracle
from .gaussians import GaussianMixture as GaussianMixture
from .gaussians import empirical as empirical
from .gaussians import gaussian as gaussian
from .gaussians import gaussian_consistency as gaussian_consistency
from .gaussians import gaussian_flow as gaussian_flow
from .labelled import LabelledDenoiser as LabelledDenoiser
from .labelled import LabelledMixture as LabelledMixture
from .product import Mixture1D as Mixture1D
from .product import ProductMixture as ProductMixture
from .ring import Ring as Ring
