"""What a state from a file must look like before it is put into anything: names, shapes and kinds.

The outline of a leaf is the shape of a tensor of floats, such as (2, 3), or a word: "a number", "text", ...
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor


def check_fit(found: object, expected: object, what: str) -> None:
    """Raise ValueError, one line, unless both hold leaves of the same names and outlines; what: how to call `found`."""
    try:
        found, expected = dict(_outlines(found)), dict(_outlines(expected))
    except RecursionError:
        raise ValueError(f"{what} do not fit: they are nested too deeply") from None
    missing, foreign = expected.keys() - found.keys(), found.keys() - expected.keys()
    if missing or foreign:
        raise ValueError(f"{what} do not fit: missing {listed(missing)}; unexpected {listed(foreign)}")
    wrong = [f"{name} {expected[name]}, got {found[name]}" for name in expected if found[name] != expected[name]]
    if wrong:
        more = " (and more)" if len(wrong) > 1 else ""
        raise ValueError(f"{what} do not fit: expected {wrong[0]}{more}; build the model as it was when saved")


def check_optimizer_fit(found: object, optimizer: torch.optim.Optimizer, what: str) -> None:
    """Raise ValueError, one line, unless `optimizer` can go on from the state `found`, called `what` in the text.

    Its groups hold as many parameters, its settings are of the same kinds, and what it keeps for a parameter looks as
    it would after an update; a parameter that had no gradient yet has nothing.
    """
    groups, kept = (found.get(key) if isinstance(found, dict) else None for key in ("param_groups", "state"))
    numbered = isinstance(groups, list) and all(isinstance(_get(group, "params"), list) for group in groups)
    if not (isinstance(groups, list) and numbered and isinstance(kept, dict)):
        raise ValueError(f"expected the state of an optimizer as {what}, got another {type(found).__name__}")
    known = optimizer.state_dict()["param_groups"]
    sizes, wanted = ([len(group["params"]) for group in each] for each in (groups, known))
    if sizes != wanted:
        raise ValueError(f"{what} does not fit: expected groups of {wanted} parameters, got {sizes}")
    for group, now in zip(groups, known):
        _check_settings(group, now, what)
    _check_kept(kept, optimizer, what)


def listed(names: Iterable[object]) -> str:
    """The first three names, in order, and how many more there are."""
    told = sorted(map(str, names))
    return (", ".join(told[:3]) + f" and {len(told) - 3} more" * (len(told) > 3)) or "nothing"


def _outlines(state: object, name: str = "") -> Iterator[tuple[str, str]]:
    """(dotted name, outline) of every leaf."""
    if isinstance(state, Mapping | list | tuple):
        for key, value in state.items() if isinstance(state, Mapping) else enumerate(state):
            yield from _outlines(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, _outline(state)


def _outline(leaf: object) -> str:
    if isinstance(leaf, Tensor):
        plain = leaf.is_floating_point() and leaf.layout == torch.strided
        return f"{tuple(leaf.shape)}" + f" of {leaf.dtype}, {leaf.layout}" * (not plain)
    if isinstance(leaf, bool | int | float):
        return "a number"
    return "text" if isinstance(leaf, str) else f"a {type(leaf).__name__}"


def _check_settings(group: dict, now: dict, what: str) -> None:
    """Raise ValueError unless the settings that both know are of one kind; what is None now may be a switch there."""
    if group["params"] != now["params"]:
        raise ValueError(f"{what} does not fit: expected the parameters numbered as they are now")
    shared = [key for key in now if key in group and key != "params"]
    unset = [key for key in shared if now[key] is None]
    if strange := [key for key in unset if group[key] is not None and not isinstance(group[key], bool)]:
        raise ValueError(
            f"{what} does not fit: expected {strange[0]} as yes, no or none, got {_outline(group[strange[0]])}"
        )
    shared = [key for key in shared if key not in unset and group[key] is not None]
    check_fit({key: group[key] for key in shared}, {key: now[key] for key in shared}, f"the settings of {what}")


def _check_kept(kept: dict, optimizer: torch.optim.Optimizer, what: str) -> None:
    """Raise ValueError unless what is kept for each parameter looks as it would after an update."""
    after = _kept_after_an_update(optimizer)
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    for number, state in kept.items():
        if not (isinstance(number, int) and 0 <= number < count and isinstance(state, dict)):
            raise ValueError(f"{what} does not fit: expected a dict for each of {count} parameters")
        if after is not None:
            check_fit(state, after.get(number, {}), f"what is kept for parameter {number} of {what}")
        done = state.get("step", 0)  # updates
        if isinstance(done, Tensor | float | int) and not 0 <= float(done) < math.inf:
            raise ValueError(f"{what} does not fit: expected a number of updates, got {float(done)}")


def _kept_after_an_update(optimizer: torch.optim.Optimizer) -> dict[int, dict] | None:
    """The state of such an optimiser after an update of tensors without content; None where it needs the content."""
    copies = [
        {**group, "params": [torch.empty_like(p, device="meta").requires_grad_() for p in group["params"]]}
        for group in optimizer.param_groups
    ]
    tried = object.__new__(type(optimizer))
    try:
        tried.__setstate__({"defaults": optimizer.defaults, "state": defaultdict(dict), "param_groups": copies})
        for group in copies:
            for p in group["params"]:
                p.grad = torch.empty_like(p)
        tried.step()
        return tried.state_dict()["state"]
    except Exception:  # an optimiser may ask for anything
        return None


def _get(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None
