"""`minicm export`: a trained model as one ONNX file, for programs without PyTorch, compared with PyTorch beforehand.

x0 = f(x, t), or f(x, t, label) of a model with labels, for any number of samples at once; x float32 (batch, *S), data
units; t float32 (batch,), a time of the path; label int64 (batch,), a negative one for none.  Returns x0 (batch, *S).
"""

import argparse
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ...checkpoints import write_whole
from ...checks import one_line
from ...precond import Preconditioned
from ...sampling.few_steps import consistency_sample
from ...seeds import fold
from ..command import Parser, check_extra
from ..recipes.pictures import MIDDLE, PATH
from .drawing import consistent, level_times, loaded

TOLERANCE = 1e-5  # largest difference from PyTorch, data units
_BATCHES = (1, 2, 5)  # another than the one that is exported shows a file that answers only that


def main(argv: list[str]) -> None:
    """Export, compare, write, and say how exact the file is.

    Raises OSError or ValueError, one line, for a model or a file that cannot be, or where the extra is not installed.
    """
    parser = Parser(prog="minicm export", description="Write a trained model as ONNX.")
    parser.add_argument("source", metavar="MODEL", help="a run's folder, a file of weights, or a stored model's name")
    parser.add_argument("--to", required=True, metavar="FILE.onnx", help="the file to write")
    parser.add_argument("--experiment", metavar="FILE", help="that made it, which is executed; not for the project's")
    options: argparse.Namespace = parser.parse_args(argv)
    target = Path(options.to)
    if target.suffix != ".onnx" or target.is_dir():
        raise ValueError(f"expected --to NAME.onnx, a file, got {target}")
    target.parent.mkdir(parents=True, exist_ok=True)  # what fails here fails before the work
    drawing = loaded(options.source, "cpu", options.experiment)
    shape, classes = drawing.pictures.shape, drawing.pictures.classes
    times = level_times(2, getattr(drawing.config, "middle", MIDDLE))
    levels = {"times": json.dumps(times)} if consistent(drawing.config) else {}
    content = onnx_file(drawing.model, shape, classes, {"path": repr(PATH), "experiment": drawing.made.name} | levels)
    off = difference(content, drawing.model, shape, classes, times)
    if not off <= TOLERANCE:
        raise ValueError(f"expected answers within {TOLERANCE:g} of PyTorch's, got {off:.1g}: {target} is not written")
    write_whole(target, content)
    told = "x, t and label" if classes else "x and t"
    print(f"wrote {target}, {len(content) / 1e6:.1f} MB: x0 from {told}, any batch size")
    print(f"samples of one and of two evaluations differ from PyTorch's by at most {off:.1g}")


def onnx_file(model: nn.Module, shape: Sequence[int], classes: int = 0, note: Mapping[str, str] | None = None) -> bytes:
    """The model as ONNX; the module's docstring says what goes in and comes out.

    model: (x, t) -> x0, with `given(label)` if it has classes; on the CPU, float32.  shape: of a sample, such as (2,).
    note: metadata of the file.  Of this computer and its folders nothing is in it.
    Raises OSError, one line, without the extra, and ValueError for a network that torch.onnx cannot take.
    """
    check_extra("export", "onnx", "onnxscript", "onnxruntime")
    from onnx.helper import set_model_props

    names = _inputs(classes)
    example = (torch.zeros(2, *shape), torch.ones(2), torch.zeros(2, dtype=torch.long))[: len(names)]
    module = _Told(model) if classes else model
    free = {name: {0: "batch"} for name in names}
    try:
        with _quiet():
            made = torch.onnx.export(
                module.eval(), example, input_names=names, output_names=["x0"], dynamic_shapes=free, verbose=False
            )
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(f"expected a network that torch.onnx can take, got {one_line(error)}") from None
    proto = made.model_proto
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del part.metadata_props[:]  # where in which file on this computer each node comes from
    set_model_props(proto, dict(note or {}))
    return proto.SerializeToString()


def difference(
    content: bytes, model: nn.Module, shape: Sequence[int], classes: int = 0, times: Sequence[float] = (PATH.t_max,)
) -> float:
    """The largest difference between samples drawn by the file in onnxruntime and by the model, data units.

    Few-step samples on TrigFlow through the first of the times, the first two, and so on; from the same noise.
    Raises ValueError for a file that does not take every number of samples.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = [0.0]
    for number in _BATCHES:
        labels = (torch.arange(number) % (classes + 1) - 1,) if classes else ()  # none, 0, 1, ...

        def answer(x: Tensor, t: Tensor, labels: tuple[Tensor, ...] = labels) -> Tensor:
            feed = dict(zip(_inputs(classes), (x.numpy(), t.float().numpy(), *(label.numpy() for label in labels))))
            return torch.from_numpy(session.run(None, feed)[0])

        functions = (answer, model.given(*labels) if labels else model)
        for steps in range(1, len(times) + 1):
            ends = []
            for function in functions:
                generator = torch.Generator().manual_seed(fold(0, number, steps))
                x = PATH.prior((number, *shape), generator)
                try:
                    ends.append(consistency_sample(function, x, times[:steps], PATH, generator))
                except RuntimeError as error:
                    raise ValueError(f"the exported file refuses {number} samples at once: {one_line(error)}") from None
            found.append((ends[0] - ends[1]).abs().max().item())
    return max(found, key=lambda value: (value != value, value))  # NaN is the largest


def _inputs(classes: int) -> list[str]:
    return ["x", "t", "label"] if classes else ["x", "t"]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's words about its own insides and packages that nobody asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class _Told(nn.Module):
    """The model with its label as a third input."""

    def __init__(self, model: Preconditioned) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return self.model.given(label)(x, t)
