"""Raw networks F(u, c): they map (B, *S) and (B,) to (B, *S) and know nothing of noise."""

from .blocks import Additive as Additive
from .blocks import DoubleNorm as DoubleNorm
from .discriminator import Discriminator as Discriminator
from .edm_weights import edm_features as edm_features
from .edm_weights import load_edm_weights as load_edm_weights
from .mlp import MLP as MLP
from .mlp import TimeFeatures as TimeFeatures
from .patched import Patched as Patched
from .told_scale import GuidedMLP as GuidedMLP
from .two_times import TwoTimeFeatures as TwoTimeFeatures
from .two_times import two_time_mlp as two_time_mlp
from .two_times import two_time_unet as two_time_unet
from .unet import UNet as UNet
from .unet import cifar10_unet as cifar10_unet
from .unet import digits_unet as digits_unet
from .unet import edm_unet as edm_unet
