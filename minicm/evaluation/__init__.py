"""How far samples are from the truth: distances between sample sets, a classifier, modes, and the floor under each.

A distance between two finite true sets is not 0.  That floor is the unit here: quality is distance / floor.
"""

from .classifier import c2st as c2st
from .digits import DigitsQuality as DigitsQuality
from .digits import evaluate_digits as evaluate_digits
from .digits import pixel_gaussian as pixel_gaussian
from .distances import energy_distance as energy_distance
from .distances import frechet_between as frechet_between
from .distances import frechet_distance as frechet_distance
from .distances import mmd as mmd
from .distances import sliced_wasserstein as sliced_wasserstein
from .folds import jacobian_determinant as jacobian_determinant
from .frechet import Moments as Moments
from .frechet import Neighbours as Neighbours
from .frechet import PrecisionRecall as PrecisionRecall
from .frechet import features_of as features_of
from .frechet import kid as kid
from .frechet import nearest as nearest
from .frechet import precision_recall as precision_recall
from .tangents import TangentRecord as TangentRecord
from .tangents import one_step_error as one_step_error
from .tangents import scm_record as scm_record
from .truth import CountCalls as CountCalls
from .truth import MapError as MapError
from .truth import Modes as Modes
from .truth import far_floor as far_floor
from .truth import far_fraction as far_fraction
from .truth import map_error as map_error
from .truth import mode_coverage as mode_coverage
from .yardstick import Floor as Floor
from .yardstick import Floors as Floors
from .yardstick import Quality as Quality
from .yardstick import Yardstick as Yardstick
from .yardstick import noise_floor as noise_floor
