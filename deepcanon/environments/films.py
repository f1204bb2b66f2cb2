"""Pictures of what happens in an environment, drawn from its observations: no window system, no renderer."""

from pathlib import Path

import numpy as np

__all__ = ["draw", "film_strip", "write_film"]


def draw(identifier: str, observation: np.ndarray, size: int = 96) -> np.ndarray | None:
    """A picture [size, size, 3] of a state, from its observation; None where no drawing is known."""
    from PIL import Image, ImageDraw

    scale = 4 * size  # drawn four times too large and reduced: smooth lines
    canvas = Image.new("RGB", (scale, scale), "white")
    pen = ImageDraw.Draw(canvas)
    if identifier.startswith("CartPole-"):
        x, angle = float(observation[0]), float(observation[2])
        left, ground = scale * (0.5 + x / 4.8), 0.78 * scale
        pen.line((0, ground, scale, ground), fill="#999999", width=scale // 100)
        pen.rectangle((left - 0.09 * scale, ground - 0.1 * scale, left + 0.09 * scale, ground), fill="#222222")
        top = (left + 0.5 * scale * np.sin(angle), ground - 0.1 * scale - 0.5 * scale * np.cos(angle))
        pen.line((left, ground - 0.1 * scale, *top), fill="#c8793b", width=scale // 28)
    elif identifier.startswith("Acrobot-"):
        one = np.arctan2(observation[1], observation[0])
        two = one + np.arctan2(observation[3], observation[2])
        unit, centre = scale / 4.6, scale / 2
        pen.line((0, centre - unit, scale, centre - unit), fill="#999999", width=scale // 100)
        elbow = (centre + unit * np.sin(one), centre + unit * np.cos(one))
        tip = (elbow[0] + unit * np.sin(two), elbow[1] + unit * np.cos(two))
        pen.line((centre, centre, *elbow), fill="#1f6f8b", width=scale // 24)
        pen.line((*elbow, *tip), fill="#3aa6a6", width=scale // 24)
        for point in ((centre, centre), elbow):
            pen.circle(point, scale // 40, fill="#d9a400")
    else:
        return None
    return np.asarray(canvas.resize((size, size), Image.Resampling.LANCZOS))


def film_strip(identifier: str, observations: np.ndarray, count: int = 12) -> np.ndarray | None:
    """`count` pictures [count, 3, height, width] spread evenly over an episode."""
    moments = np.linspace(0, len(observations) - 1, min(count, len(observations))).astype(int)
    drawn = (draw(identifier, observations[i]) for i in moments)
    pictures = [picture for picture in drawn if picture is not None]
    return np.stack(pictures).transpose(0, 3, 1, 2) if pictures else None


def write_film(identifier: str, observations: np.ndarray, path: Path) -> None:
    """An animated GIF of an episode: every second state, 25 pictures a second.

    Raises:
        ValueError: there is no drawing of the environment.
    """
    from PIL import Image

    drawn = (draw(identifier, observation, 160) for observation in observations[::2])
    frames = [Image.fromarray(picture).quantize(32) for picture in drawn if picture is not None]
    if not frames:
        raise ValueError(f"there is no drawing of {identifier}")
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40, loop=0, optimize=True)
