#!/usr/bin/env bash
# Guess: an animation of ten frames, saved by Matplotlib's PillowWriter with fps=60, has ten frames of 17 ms.
# Seen:  GIF counts in hundredths of a second, and the rest is cut off: 10 ms, 100 frames a second. Frames that
#        look alike are merged by Pillow into one longer frame: ten frames with a pause become four.
# Why it matters: code that reads "frame k" of a saved animation of samples gets another one, and a film made for
#        60 frames a second runs too fast. Choose fps 10, 20, 25 or 50.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile matplotlib==3.11.2 pillow==13.0.0 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence

print("matplotlib", version("matplotlib"), "pillow", version("pillow"))


def durations(heights, fps):
    figure, axes = plt.subplots(figsize=(1, 1))
    axes.set_ylim(0, 10)
    (line,) = axes.plot([0, 1], [0, 1])
    film = FuncAnimation(figure, lambda k: line.set_ydata([0, heights[k]]), frames=len(heights))
    film.save("film.gif", writer=PillowWriter(fps=fps))
    plt.close(figure)
    with Image.open("film.gif") as gif:
        return [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]


fast, paused, clean = durations(range(10), 60), durations([1, 2, 3, 3, 3, 3, 3, 3, 3, 4], 10), durations(range(10), 50)
print("guess: ten times 17 ms; ten times 100 ms with the pause; ten times 20 ms at fps=50")
print("seen: ", fast, paused, clean)
assert fast == [10] * 10 and paused == [100, 100, 700, 100] and clean == [20] * 10
PYTHON
