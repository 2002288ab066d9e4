"""The built-in activity's scene: a person pours a glass from a jug and drinks it."""

import colorsys
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

PHASES = ("reach", "carry", "pour", "return", "take", "raise", "drink")

# Positions in a unit square, y down; the person on the left faces the table on the right.
_REST, _MOUTH = np.array((0.36, 0.74)), np.array((0.33, 0.27))
_JUG, _ABOVE_GLASS, _ASIDE = np.array((0.84, 0.66)), np.array((0.72, 0.44)), np.array((0.42, 0.66))
_GLASS = np.array((0.60, 0.68))
_SHOULDER, _HIP, _HEAD = np.array((0.20, 0.42)), np.array((0.16, 0.86)), np.array((0.23, 0.24))
_TABLE = 0.76
# Drawn larger, then reduced: PIL's shapes have hard edges.
_OVERSAMPLING = 2

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Pose:
    """Everything that moves: positions in the unit square, angles in radians, levels in [0, 1]."""

    hand: np.ndarray
    jug: np.ndarray
    jug_tilt: float
    jug_level: float
    glass: np.ndarray
    glass_tilt: float
    glass_level: float
    pouring: bool


def pose(phase: int, progress: float) -> Pose:
    """Return the pose in a phase, at `progress` in [0, 1].

    Something moves throughout every phase, and no two moments look alike.
    """
    jug, jug_tilt, jug_level = _JUG, 0.0, 1.0
    glass, glass_tilt, glass_level = _GLASS, 0.0, 0.0
    pouring = False
    p = progress
    if phase == 0:
        hand = _arc(_REST, _JUG, 0.10, p)
    elif phase == 1:
        hand = jug = _arc(_JUG, _ABOVE_GLASS, 0.05, p)
    elif phase == 2:
        hand = jug = _ABOVE_GLASS + np.array((-0.04, 0.03)) * p
        jug_tilt = 1.0 * min(p / 0.15, 1.0) + 0.8 * p
        pouring = p > 0.12
        glass_level = max(p - 0.12, 0.0) / 0.88
        jug_level = 1.0 - 0.7 * glass_level
    else:
        jug, jug_level, glass_level = _ASIDE, 0.3, 1.0
        if phase == 3:
            hand = jug = _arc(_ABOVE_GLASS + np.array((-0.04, 0.03)), _ASIDE, 0.08, p)
            jug_tilt = 1.8 * max(1.0 - p / 0.6, 0.0)
        elif phase == 4:
            hand = _arc(_ASIDE, _GLASS, 0.12, p)
        elif phase == 5:
            hand = glass = _arc(_GLASS, _MOUTH, 0.08, p)
        else:
            hand = glass = _MOUTH + np.array((-0.02, -0.05)) * p
            glass_tilt, glass_level = -1.5 * p, 1.0 - p
    return Pose(hand, jug, jug_tilt, jug_level, glass, glass_tilt, glass_level, pouring)


class Scene:
    """The look of one clip: view, proportions, colors, background and moving distractors.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random number generator.
    size : int
        Side of the pictures in pixels.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        self._pixels = size * _OVERSAMPLING
        angle, scale = rng.uniform(-0.12, 0.12), rng.uniform(0.80, 1.05)
        turn = np.array(((math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))))
        self._view = turn * scale * np.array((rng.choice((-1.0, 1.0)), 1.0))  # mirrored or not
        self._shift = self._offset = 0.5 + rng.uniform(-0.05, 0.05, 2)
        self._shake = rng.uniform(0.0, 0.008, 2), rng.uniform(0, 2 * math.pi, 2)
        self._arm = rng.uniform(0.34, 0.40)
        self._thickness = rng.uniform(0.028, 0.042)
        self._build = rng.uniform(0.9, 1.15)  # of head and body
        dark = rng.random() < 0.5  # the person is darker or lighter than the background
        behind, before = ((0.62, 0.95), (0.05, 0.35)) if dark else ((0.08, 0.38), (0.65, 0.98))
        self._body, self._skin = _color(rng, before), _color(rng, before)
        self._jug, self._glass = _color(rng, (0.3, 0.7), 0.7), _color(rng, before, 0.1)
        self._liquid = _color(rng, (0.35, 0.65), 0.9)
        self._table = _color(rng, (0.35, 0.65), 0.3)
        self._behind = behind
        self._background = self._draw_background(rng)
        self._drift = [
            (
                _color(rng, behind, 0.5),
                rng.uniform(0.03, 0.09),  # radius
                rng.uniform(0.0, 1.0, 2),  # center
                rng.uniform(0.1, 0.5, 2),  # amplitude
                rng.uniform(0.02, 0.10, 2),  # radians per frame
                rng.uniform(0, 2 * math.pi, 2),  # angle at the start
            )
            for _ in range(rng.integers(2, 5))
        ]
        self._light = rng.uniform(0.02, 0.10), rng.uniform(0.03, 0.15), rng.uniform(0.85, 1.1)
        self._noise = rng.uniform(3.0, 9.0)
        self._rng = rng

    def draw(self, pose: Pose, time: int) -> np.ndarray:
        """Draw a pose at a frame number: uint8 RGB `(size, size, 3)`. Each call draws new noise."""
        image = self._background.copy()
        draw = ImageDraw.Draw(image)
        for color, radius, center, amplitude, speed, start in self._drift:
            self._disk(
                draw, center + amplitude * np.sin(speed * time + start), radius, color, view=False
            )
        shake, beat = self._shake
        self._offset = self._shift + shake * np.sin(0.7 * time + beat)
        self._line(draw, ((-0.5, _TABLE), (1.5, _TABLE)), 0.03, self._table)
        self._line(draw, (_HIP, _SHOULDER), 0.15 * self._build, self._body)
        self._disk(draw, _HEAD, 0.075 * self._build, self._skin)
        self._vessel(draw, pose.jug, pose.jug_tilt, pose.jug_level, (0.11, 0.15), self._jug)
        if pose.pouring:
            lip = pose.jug + np.array((-0.09, 0.03))
            bottom = (lip[0], pose.glass[1] + 0.05)
            self._line(draw, (lip, bottom), 0.012, self._liquid)
        self._vessel(draw, pose.glass, pose.glass_tilt, pose.glass_level, (0.08, 0.13), self._glass)
        elbow = self._elbow(pose.hand)
        self._line(draw, (_SHOULDER, elbow), 1.25 * self._thickness, self._body)
        self._line(draw, (elbow, pose.hand), self._thickness, self._skin)
        self._disk(draw, pose.hand, 0.8 * self._thickness, self._skin)
        small = np.asarray(image.reduce(_OVERSAMPLING), dtype=np.float32)
        depth, flicker, gain = self._light
        light = gain * (1 + depth * math.sin(flicker * time))
        noise = self._rng.normal(0.0, self._noise, small.shape).astype(np.float32)
        return np.clip(small * np.float32(light) + noise, 0, 255).astype(np.uint8)

    def _elbow(self, hand: np.ndarray) -> np.ndarray:
        reach = hand - _SHOULDER
        distance = float(np.hypot(*reach))
        half = distance / 2
        # Two bones of equal length, stretched if the hand is out of reach.
        height = math.sqrt(max(self._arm**2 - half**2, 0.0))
        across = np.array((-reach[1], reach[0])) / max(distance, 1e-9)
        return _SHOULDER + reach / 2 + across * height

    def _draw_background(self, rng: np.random.Generator) -> Image.Image:
        corners = np.array([[_color(rng, self._behind) for _ in range(2)] for _ in range(2)])
        ramp = Image.fromarray(corners.astype(np.uint8))
        image = ramp.resize((self._pixels, self._pixels), Image.Resampling.BILINEAR)
        draw = ImageDraw.Draw(image)
        for _ in range(rng.integers(4, 10)):
            x, y, width, height = rng.uniform((-0.1, -0.1, 0.05, 0.05), (1.0, 1.0, 0.4, 0.4))
            box = [value * self._pixels for value in (x, y, x + width, y + height)]
            shape = draw.rectangle if rng.random() < 0.5 else draw.ellipse
            shape(box, fill=_color(rng, self._behind, 0.5))
        blur = rng.uniform(1 / 256, 4 / 256) * self._pixels
        return image.filter(ImageFilter.GaussianBlur(blur))

    def _to_pixels(self, points: np.ndarray) -> list[tuple[float, float]]:
        viewed = (points - 0.5) @ self._view.T + self._offset
        return [(x * self._pixels, y * self._pixels) for x, y in viewed]

    def _line(self, draw: ImageDraw.ImageDraw, ends: tuple, width: float, color: Color) -> None:
        points = self._to_pixels(np.array(ends))
        draw.line(points, fill=color, width=max(1, round(width * self._pixels)))

    def _disk(
        self,
        draw: ImageDraw.ImageDraw,
        center: np.ndarray,
        radius: float,
        color: Color,
        *,
        view: bool = True,
    ) -> None:
        x, y = self._to_pixels(center[None])[0] if view else center * self._pixels
        r = radius * self._pixels
        draw.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def _vessel(
        self,
        draw: ImageDraw.ImageDraw,
        center: np.ndarray,
        tilt: float,
        level: float,
        shape: tuple[float, float],
        color: Color,
    ) -> None:
        width, height = shape
        # Counterclockwise on the screen, towards the glass.
        turn = np.array(((math.cos(tilt), math.sin(tilt)), (-math.sin(tilt), math.cos(tilt))))

        def box(left: float, top: float, right: float, bottom: float) -> list:
            corners = np.array(((left, top), (right, top), (right, bottom), (left, bottom)))
            return self._to_pixels(center + corners @ turn.T)

        w, h, rim = width / 2, height / 2, 0.014
        draw.polygon(box(-w, -h, w, h), fill=color)
        inside = tuple(round(0.45 * value + 70) for value in color)
        draw.polygon(box(-w + rim, -h, w - rim, h - rim), fill=inside)
        if level > 0:
            top = h - rim - level * (height - 2 * rim)
            draw.polygon(box(-w + rim, top, w - rim, h - rim), fill=self._liquid)


def _arc(start: np.ndarray, end: np.ndarray, lift: float, progress: float) -> np.ndarray:
    """Return a point on an arc from start to end, lifted in the middle."""
    rise = np.array((0.0, -4 * lift * progress * (1 - progress)))
    return start + (end - start) * progress + rise


def _color(
    rng: np.random.Generator, lightness: tuple[float, float], saturation: float = 0.35
) -> Color:
    red, green, blue = colorsys.hls_to_rgb(
        rng.random(), rng.uniform(*lightness), saturation * rng.uniform(0.6, 1.2)
    )
    return round(255 * min(red, 1)), round(255 * min(green, 1)), round(255 * min(blue, 1))
