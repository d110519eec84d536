"""The picture: the Earth in Mollweide's projection, and beside it the share of land at each latitude."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .globe import Globe

__all__ = ["draw"]

DPI = 180
INCHES = (14.0, 6.3)
MAP = (0.42, 0.32, 9.8, 4.9)
"""Left, bottom, width and height of the map, inches: twice as wide as high, as the projection is."""

PROFILE = (11.1, 0.32, 2.5, 4.9)

INK = "#c9d6e2"
PAPER = "#0a1420"
WATER = "#12304a"
LAND = "#e9d8a6"
PARALLELS = (-60, -30, 0, 30, 60)
GRID: dict[str, Any] = {"color": "white", "linewidth": 0.5, "alpha": 0.16}


def draw(globe: Globe, file: Path, caption: str) -> None:
    """Save the picture as PNG.

    Args:
        globe: what to draw.
        file: where to.
        caption: what to say below the title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.image import imsave

    figure = Figure(figsize=INCHES, dpi=DPI, facecolor="none")
    canvas: Any = FigureCanvasAgg(figure)
    earth: Any = figure.add_axes(_place(MAP))
    shares: Any = figure.add_axes(_place(PROFILE), facecolor=WATER)
    _graticule(earth)
    _profile(shares, globe)
    for left, title, text, color in (
        (MAP[0], "Where is land?", caption, "white"),
        (PROFILE[0], f"{globe.land():.1%}", "of the surface; at each latitude:", LAND),
    ):
        figure.text(left / INCHES[0], 0.925, title, color=color, fontsize=22, fontweight="bold")
        figure.text(left / INCHES[0], 0.875, text, color=INK, fontsize=11)
    canvas.draw()
    imsave(file, _on_map(np.asarray(canvas.buffer_rgba()), globe))


def _on_map(drawn: npt.NDArray[np.uint8], globe: Globe) -> npt.NDArray[np.uint8]:
    """Lay what was drawn over the map, pixel by pixel: matplotlib would need 200 MB to draw an image of that size."""
    from matplotlib.colors import to_rgb

    colors = [np.array(to_rgb(color)) for color in (PAPER, WATER, LAND)]
    left, bottom, _, height = (round(length * DPI) for length in MAP)
    picture = np.empty((*drawn.shape[:2], 3), np.uint8)
    picture[...] = np.rint(255 * colors[0])
    top = len(picture) - bottom - height
    picture[top : top + height, left : left + 2 * height] = paint(globe, height, *colors)
    for row, over in enumerate(drawn):
        opaque = over[:, 3:] / 255
        picture[row] = np.rint(over[:, :3] * opaque + picture[row] * (1 - opaque))
    return picture


def paint(globe: Globe, height: int, *colors: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """The map in Mollweide's equal-area projection, `height` by twice that many pixels, RGB.

    Args:
        globe: what to paint.
        height: of the picture.
        *colors: of what is outside of the Earth, of water, of land; channels from 0 to 1.
    """
    outside, water, land = colors
    rows, columns = globe.share.shape
    north, south = globe.edges[0], globe.edges[-1]
    picture = np.empty((height, 2 * height, 3), np.uint8)
    fine = 3  # points a pixel along each axis, so that edges are smooth
    x = (np.arange(2 * height * fine) + 0.5) / (height * fine) * 2 - 2
    for number in range(height):
        inside = np.zeros(2 * height)
        share = np.zeros(2 * height)
        for part in range(fine):
            theta = np.arcsin(1 - 2 * (number + (part + 0.5) / fine) / height)
            latitude = np.degrees(np.arcsin((2 * theta + np.sin(2 * theta)) / np.pi))
            row = min(int((north - latitude) / (north - south) * rows), rows - 1)
            turn = x / (4 * np.cos(theta)) + 0.5  # of the way around, from 180 degrees west
            on = (turn >= 0) & (turn < 1)
            found = np.where(on, globe.share[row, (turn * columns).astype(np.intp).clip(0, columns - 1)], 0)
            inside += on.reshape(-1, fine).sum(axis=1)
            share += found.reshape(-1, fine).sum(axis=1)
        cover = np.stack([fine**2 - inside, inside - share, share], axis=1) / fine**2
        picture[number] = np.rint(255 * cover @ np.stack([outside, water, land]))
    return picture


def _place(inches: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, bottom, width, height = inches
    return left / INCHES[0], bottom / INCHES[1], width / INCHES[0], height / INCHES[1]


def height_of(latitude: Any) -> Any:
    """The height on the map, -1 to 1, of latitudes in degrees; the projection inverted by a table."""
    theta = np.linspace(-np.pi / 2, np.pi / 2, 2001)
    latitudes = np.degrees(np.arcsin(np.clip((2 * theta + np.sin(2 * theta)) / np.pi, -1, 1)))
    return np.interp(latitude, latitudes, np.sin(theta))


def _graticule(axes: Any) -> None:
    for latitude in PARALLELS:
        y = height_of(latitude)
        half = 2 * np.sqrt(1 - y**2)
        axes.plot([-half, half], [y, y], **GRID)
    y = np.linspace(-1, 1, 361)
    for longitude in range(-180, 181, 30):
        axes.plot(2 * longitude / 180 * np.sqrt(1 - y**2), y, **GRID)
    axes.set_xlim(-2, 2)
    axes.set_ylim(-1, 1)
    axes.set_axis_off()


def _profile(axes: Any, globe: Globe) -> None:
    """Share of land against latitude, in the heights of the map: the filled area is the share of the whole Earth."""
    axes.fill_betweenx(height_of((globe.edges[:-1] + globe.edges[1:]) / 2), 0, globe.profile, color=LAND, linewidth=0)
    for latitude in PARALLELS:
        axes.axhline(height_of(latitude), **GRID)
    axes.set_xlim(0, 1)
    axes.set_ylim(-1, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set_yticks([height_of(latitude) for latitude in PARALLELS], [_name(latitude) for latitude in PARALLELS])
    axes.tick_params(colors=INK, length=0, labelsize=9)
    for side in axes.spines.values():
        side.set_visible(False)


def _name(latitude: int) -> str:
    return "Equator" if latitude == 0 else f"{abs(latitude)}° {'N' if latitude > 0 else 'S'}"
