"""FID of CIFAR-10 samples by torch-fidelity, the extra `fid`: Inception's network is not ours, and neither is its code.

Protocol, that of the papers: 50,000 samples against the 50,000 training pictures, none mirrored; samples are rounded to
uint8 by `to_pixels`, each label of a conditional model equally often, one sample for each seed and never the best of
several sets.  EDM rounds in the same way and reports the least of three sets, which moves FID in the second decimal.
FID has a bias that falls with the number of samples: never compare values at different numbers.
"""

import torch
from torch import Tensor
from torch.utils.data import Dataset

SAMPLES = 50_000  # of the protocol
_INSTALL = 'FID needs torch-fidelity: install it with `pip install "minicm[fid]"`'
_ONLINE = "torch-fidelity downloads Inception's weights and CIFAR-10 once: it needs a network, or its cache"


def cifar10_fid(pictures: Tensor, *, device: torch.device | None = None) -> float:
    """FID of the pictures against CIFAR-10's training set, with Inception's 2048 features.

    pictures: (N, 3, 32, 32), uint8; N is 50,000 for a number to report, see the protocol above.
    Raises ValueError for other pictures, and OSError, one line, where torch-fidelity or what it downloads is missing.
    Source: Heusel et al. 2017, eq. 6; Obukhov et al. 2020 (torch-fidelity).
    """
    if pictures.dtype != torch.uint8 or pictures.shape[1:] != (3, 32, 32) or len(pictures) < 2:
        got = f"{pictures.dtype} {tuple(pictures.shape)}"
        raise ValueError(f"expected at least 2 uint8 pictures of shape (N, 3, 32, 32), got {got}")
    try:
        from torch_fidelity import calculate_metrics  # an extra: the rest of the package must do without
    except ModuleNotFoundError as error:
        raise OSError(_INSTALL if error.name == "torch_fidelity" else f"{_INSTALL} (missing: {error.name})") from None
    cuda = device is not None and device.type == "cuda"
    try:
        found = calculate_metrics(
            input1=_Pictures(pictures.cpu()), input2="cifar10-train", fid=True, cuda=cuda, verbose=False
        )
    except (OSError, RuntimeError) as error:  # its downloads end in either
        raise OSError(f"{_ONLINE} ({' '.join(str(error).split())[:200]})") from error
    return float(found["frechet_inception_distance"])


class _Pictures(Dataset):
    """The pictures one by one, as torch-fidelity wants them."""

    def __init__(self, pictures: Tensor) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        return self.pictures[index]
