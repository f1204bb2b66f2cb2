"""Own data of the kinds `audio` and `speech`, for the contract of recipes."""

import wave

import numpy as np


def own_sounds(folder):
    """Two classes of short tones in noise, 16 bits, some of two channels."""
    random = np.random.default_rng(0)
    for name, hertz in (("low", 200), ("high", 900)):
        (folder / name).mkdir(parents=True)
        for index in range(12):
            time = np.arange(400 + 40 * index) / 8000
            values = 0.4 * np.sin(2 * np.pi * hertz * time) + 0.05 * random.normal(size=len(time))
            frames = (np.clip(values, -1, 1) * 32767).astype("<i2")
            channels = 1 + index % 2
            with wave.open(str(folder / name / f"{index}.wav"), "wb") as file:
                file.setnchannels(channels)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(frames.repeat(channels).tobytes())
    return folder


def own_speech(folder):
    """The same, with what is "said" in each in a file next to it."""
    for sound in own_sounds(folder).rglob("*.wav"):
        letter = {"low": "b", "high": "a"}[sound.parent.name]
        sound.with_suffix(".txt").write_text(letter + "\n")
    return folder
