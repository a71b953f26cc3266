"""Raw networks F(u, c): they map (B, *S) and (B,) to (B, *S) and know nothing of noise."""

from .mlp import MLP, TimeFeatures

__all__ = ["MLP", "TimeFeatures"]
