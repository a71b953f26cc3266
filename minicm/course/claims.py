"""What a lesson states about its numbers: in words, checked every time, and no obstacle to a learner who changes them.

    claim(heun < euler, "Heun's step stays closer to the trajectory than Euler's")

Where MINICM_STRICT=1 is set, as it is by the tests and by `make course`, a claim that does not hold is an error.
Elsewhere it is one printed line: whoever trains for 300 updates instead of 3000 wants to see the rest.
"""

import os

__all__ = ["claim", "strict"]


def strict() -> bool:
    """Whether a claim that does not hold is an error: the environment says MINICM_STRICT=1."""
    return os.environ.get("MINICM_STRICT") == "1"


def claim(holds: object, words: str) -> None:
    """Say nothing if the claim holds; otherwise print its words, or raise them where `strict`.

    holds: one truth value, a bool or a tensor of one element.  words: the claim, as a sentence without a full stop.
    Raises AssertionError if it does not hold and MINICM_STRICT=1.
    """
    if holds:
        return
    if strict():
        raise AssertionError(f"does not hold: {words}")
    print(f"Not so with your numbers: {words}.")
