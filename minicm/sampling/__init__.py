"""What a consistency model is for: samples in a few steps, edits of what is given, guidance."""

from .editing import Operator as Operator
from .editing import channel_rotation as channel_rotation
from .editing import denoise as denoise
from .editing import edit as edit
from .editing import first as first
from .editing import identity as identity
from .editing import interpolate as interpolate
from .editing import orthogonal as orthogonal
from .editing import patch_average as patch_average
from .editing import slerp as slerp
from .editing import stroke as stroke
from .few_steps import consistency_sample as consistency_sample
from .few_steps import falling_times as falling_times
from .few_steps import renoise as renoise
from .few_steps import sweep_level as sweep_level
from .guidance import guided as guided
from .guidance import guided_by as guided_by
from .guidance import guided_within as guided_within
