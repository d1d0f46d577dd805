"""What outlines are made of: polygons and strokes in a square from -1 to 1, y pointing down."""

from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator
INNER = 8
"""How many points inside an outline knows."""
# Drawing takes time in proportion to the points: 40 still look round at 256 pixels.
TURN = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)], axis=1)


@dataclass(frozen=True)
class Piece:
    """A polygon (width 0) or a stroke along `points` (K, 2); a hole takes away what lies below."""

    points: np.ndarray
    width: float = 0.0
    hole: bool = False


Pieces = tuple[Piece, ...]


@dataclass(frozen=True)
class Section:
    """Points start to stop of an outline: a polygon, a stroke of some width, or a hole."""

    start: int
    stop: int
    width: float
    hole: bool


@dataclass(frozen=True)
class Outline:
    """All pieces of an outline in one array, so that placing it is one product.

    points: (K + INNER, 2) float, the pieces' corners and at last some points deep inside.
    scale: what stroke widths are to be multiplied by.
    """

    points: np.ndarray
    sections: tuple[Section, ...]
    scale: float = 1.0

    def deep_inside(self, rng: Rng) -> tuple[float, float]:
        """A random one of the points that lie well inside."""
        x, y = self.points[-1 - int(rng.random() * INNER)].tolist()
        return x, y


def join(pieces: Pieces, inner: np.ndarray) -> Outline:
    """Pieces and points inside (INNER, 2) as one outline."""
    sections, start = [], 0
    for piece in pieces:
        sections.append(Section(start, start + len(piece.points), piece.width, piece.hole))
        start += len(piece.points)
    return Outline(np.concatenate([*(piece.points for piece in pieces), inner]), tuple(sections))


def polygon(*points: tuple[float, float]) -> Piece:
    """A filled polygon from its corners."""
    return Piece(np.array(points))


def oval(
    x: float, y: float, width: float, height: float | None = None, hole: bool = False
) -> Piece:
    """An ellipse around (x, y) with half axes width and height."""
    return Piece(_CIRCLE * (width, width if height is None else height) + (x, y), hole=hole)


def box(x0: float, y0: float, x1: float, y1: float, hole: bool = False) -> Piece:
    """An upright rectangle."""
    return Piece(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), hole=hole)


def stroke(points: np.ndarray, width: float) -> Piece:
    """A line of some width through points (K, 2)."""
    return Piece(points, width=width)


def ribbon(points: np.ndarray, width: float) -> Piece:
    """A smooth line as a polygon: quicker to draw than a stroke, and no gaps at bends."""
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across *= width / 2 / np.linalg.norm(across, axis=1, keepdims=True)
    return Piece(np.concatenate([points + across, (points - across)[::-1]]))


def polar(angle: np.ndarray, radius: np.ndarray, hole: bool = False) -> Piece:
    """A closed curve from angles and radii, both (K,)."""
    return Piece(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), hole=hole)
