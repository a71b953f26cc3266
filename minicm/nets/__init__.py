"""Raw networks F(u, c): they map (B, *S) and (B,) to (B, *S) and know nothing of noise."""

from .blocks import Additive, DoubleNorm
from .discriminator import Discriminator
from .edm_weights import edm_features, load_edm_weights
from .mlp import MLP, TimeFeatures
from .two_times import TwoTimeFeatures, two_time_mlp, two_time_unet
from .unet import UNet, cifar10_unet, digits_unet, edm_unet

__all__ = [
    "MLP",
    "Additive",
    "Discriminator",
    "DoubleNorm",
    "TimeFeatures",
    "TwoTimeFeatures",
    "UNet",
    "cifar10_unet",
    "digits_unet",
    "edm_features",
    "edm_unet",
    "load_edm_weights",
    "two_time_mlp",
    "two_time_unet",
]
