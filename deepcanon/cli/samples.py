"""What `generate` writes to a file: pictures, sounds, texts and forecasts."""

import csv
from pathlib import Path
from typing import Any

from deepcanon.writing import replacing

__all__ = ["write_alignments", "write_forecast", "write_samples"]


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


def write_alignments(samples: list[dict[str, Any]], trained: Any, seed: int, to: Path | None) -> Path | None:
    """The alignments of translations as one picture (.svg), and where it is; None if there are none."""
    aligned = [sample["alignment"] for sample in samples if "alignment" in sample]
    if not aligned:
        return None
    from deepcanon.engine.alignments import ALIGNED, alignment_figure
    from deepcanon.engine.figures import Panels
    from deepcanon.engine.svg import draw_file

    to = to or trained.folder / "samples" / f"generated-{seed}.svg"
    figures = [alignment_figure(one) for one in aligned]
    with replacing(to) as temporary:
        temporary.write_text(draw_file(Panels(figures, columns=2, caption=ALIGNED)), encoding="utf-8")
    return to
