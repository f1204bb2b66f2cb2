"""What `generate` writes to a file: pictures, sounds, texts and forecasts."""

import csv
from pathlib import Path
from typing import Any

from deepcanon.writing import replacing

__all__ = ["write_forecast", "write_samples"]


def write_samples(samples: Any, trained: Any, seed: int, to: Path | None) -> list[dict[str, Any]]:
    """Pictures [N, C, H, W] in one file, sounds [N, T] in a file each, a forecast as a table and a picture."""
    from deepcanon.engine.forecasts import Forecast

    if isinstance(samples, Forecast):
        return write_forecast(samples, to or trained.folder / "samples" / f"forecast-{seed}.csv")
    if samples.ndim == 2:
        from deepcanon.engine.sounds import Sound, wav_of

        first = to or trained.folder / "samples" / f"generated-{seed}.wav"
        sound, written = Sound(samples.numpy(), trained.recipe.facts["reader"]["rate"]), []
        for number in range(len(samples)):
            place = first if len(samples) == 1 else first.with_stem(f"{first.stem}-{number + 1}")
            with replacing(place) as temporary:
                temporary.write_bytes(wav_of(sound, number))
            written.append({"file": str(place), "seconds": samples.shape[1] / sound.rate})
        return written
    from deepcanon.engine.pictures import tiles

    to = to or trained.folder / "samples" / f"generated-{seed}.png"
    with replacing(to) as temporary:
        tiles(samples).save(temporary)
    return [{"file": str(to), "count": len(samples)}]


def write_forecast(forecast: Any, to: Path) -> list[dict[str, Any]]:
    """The bands as CSV, and as a picture of the same name."""
    from deepcanon.engine.svg import draw_file

    rows = list(forecast.rows())
    with replacing(to) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with replacing(to.with_suffix(".svg")) as temporary:
        temporary.write_text(draw_file(forecast.figure()), encoding="utf-8")
    return [{"file": str(place), "steps": len(rows)} for place in (to, to.with_suffix(".svg"))]
