"""Draws the demo's photographs: the same motif and number always give the same SVG picture."""

from __future__ import annotations

from example_project.photos.drawing.canvas import HEIGHT, WIDTH
from example_project.photos.drawing.scenes import MOTIFS, draw

__all__ = ["HEIGHT", "MOTIFS", "WIDTH", "draw"]
