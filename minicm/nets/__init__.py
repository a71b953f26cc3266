"""Raw networks F(u, c): they map (B, *S) and (B,) to (B, *S) and know nothing of noise."""

from .blocks import Additive, DoubleNorm
from .edm_weights import edm_features, load_edm_weights
from .mlp import MLP, TimeFeatures
from .unet import UNet, cifar10_unet, digits_unet, edm_unet

__all__ = [
    "MLP",
    "Additive",
    "DoubleNorm",
    "TimeFeatures",
    "UNet",
    "cifar10_unet",
    "digits_unet",
    "edm_features",
    "edm_unet",
    "load_edm_weights",
]
