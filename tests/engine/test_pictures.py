"""Pictures: kinds of figures, names, scaling, and what a resumed run drops."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from deepcanon.engine import pictures
from deepcanon.engine.figures import Heat, Text, Tiles
from deepcanon.engine.pictures import drop_after, read_captions, read_figure, save_figures, tiles


def test_every_kind_of_figure_is_written(tmp_path):
    random = np.random.default_rng(0)
    written = save_figures(
        tmp_path / "figures",
        7,
        {
            "grey": Tiles(random.integers(0, 256, (10, 8, 8), dtype=np.uint8)),
            "colour": Tiles(random.normal(size=(4, 3, 5, 6)), names=["a", "<b>", "c", "d"]),
            "heat": Heat(random.normal(size=(3, 40)), "column", "row"),
            "sample": Text("naïve <script>\nline", "A sentence with <b>."),
        },
    )
    assert [path.name for path in written] == [
        "grey-00000007.svg", "grey-00000007.npz", "colour-00000007.svg", "colour-00000007.npz",
        "heat-00000007.svg", "heat-00000007.npz", "sample-00000007.txt",
    ]  # fmt: skip
    files = sorted([*(path.name for path in written), "captions.json"])
    assert sorted(os.listdir(tmp_path / "figures")) == files
    for path in written[:-1:2]:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert written[-1].read_text(encoding="utf-8") == "naïve <script>\nline"
    assert read_captions(tmp_path / "figures") == {"sample": "A sentence with <b>."}


def test_tiles_lie_row_by_row_and_are_magnified_by_a_whole_factor():
    array = np.arange(6, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2) * 40
    picture = np.asarray(tiles(array))
    values = [int(v) for v in picture[picture.shape[0] // 4]]
    seen = list(dict.fromkeys(v for v in values if v != 128))
    columns = pictures._columns(6, 4, 4)
    assert seen == [40 * index for index in range(columns)]
    size = (picture.shape[1] - 2) // columns - 2
    assert size % 4 == 0 and size >= 32


def test_numbers_are_scaled_over_the_whole_array_and_bytes_are_kept():
    array = np.array([[[0.0, 1.0]], [[2.0, 4.0]]])
    picture = np.asarray(tiles(array))
    assert {0, 64, 128, 255} == set(np.unique(picture).tolist())
    same = np.asarray(tiles(np.full((1, 2, 2), 9, dtype=np.uint8)))
    assert set(np.unique(same).tolist()) == {9, 128}


def test_the_archive_holds_the_numbers_themselves(tmp_path):
    array = np.random.default_rng(1).normal(size=(2, 3, 700, 5)).astype(np.float32)
    save_figures(tmp_path, 1, {"a": Tiles(array, caption="b")})
    with np.load(tmp_path / "a-00000001.npz") as archive:
        assert np.array_equal(archive["images"], array)
    assert read_figure(tmp_path / "a-00000001.npz").caption == "b"
    assert (tmp_path / "a-00000001.svg").stat().st_size < 200_000


def test_tensors_of_any_kind_and_non_finite_numbers(tmp_path):
    torch = pytest.importorskip("torch")
    values = torch.tensor([[[float("nan"), 1.0], [float("inf"), -2.0]]], requires_grad=True)
    heat = Heat(values[0], "x", "y")
    save_figures(
        tmp_path, 0, {"t": Tiles(values), "half": Tiles(values.bfloat16()), "mask": Tiles(values > 0), "h": heat}
    )
    save_figures(tmp_path, 0, {"constant": Tiles(np.full((2, 3, 3), np.nan))})
    assert len(list(tmp_path.glob("*.svg"))) == 5


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"\x93NUMPY", None, "{}", '{"kind": "Line"}', '{"kind": "os.system"}', "["]
)
def test_files_that_hold_no_figure_are_refused(tmp_path, content):
    path = tmp_path / "a-00000001.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, **({} if content is None else {"figure": np.array(content)}))
    with pytest.raises(ValueError, match=r"figure|file|JSON|Expecting|archive|pickle"):
        read_figure(path)


def test_a_figure_of_too_many_numbers_is_not_read(tmp_path):
    path = tmp_path / "a-00000001.npz"
    np.savez_compressed(path, x=np.zeros(9_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match="too large"):
        read_figure(path)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 65, "a\0", "a\n", "C:\\x", 3])
def test_names_that_are_no_file_names_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(ValueError, match="figure's name"):
        save_figures(tmp_path / "figures", 1, {"good": Text("text"), name: Text("text")})
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("shape", [(3,), (3, 3), (2, 2, 4, 4), (0, 4, 4), (1, 3, 4, 4, 1)])
def test_arrays_of_no_known_shape_are_refused(tmp_path, shape):
    with pytest.raises(ValueError, match="pictures"):
        save_figures(tmp_path, 1, {"a": Tiles(np.zeros(shape))})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("figure", ["a text", np.zeros((1, 2, 2)), None])
def test_what_is_no_figure_is_refused_before_anything_is_written(tmp_path, figure):
    with pytest.raises(ValueError, match="b is "):
        save_figures(tmp_path / "figures", 1, {"a": Text("x"), "b": figure})
    assert not (tmp_path / "figures").exists()


def test_drop_after_removes_later_figures_and_half_files_only(tmp_path):
    for step in (5, 10, 15):
        save_figures(tmp_path, step, {"a": Text("x"), "b": Tiles(np.zeros((1, 2, 2)))})
    (tmp_path / "notes-of-mine.txt").write_text("kept")
    (tmp_path / ".tmp-a-00000005.txt").write_text("half")
    dropped = drop_after(tmp_path, 10)
    assert len(dropped) == 4
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(
        ["notes-of-mine.txt"]
        + [f"{n}-{s:08d}.{k}" for n, k in [("a", "txt"), ("b", "svg"), ("b", "npz")] for s in (5, 10)]
    )
    assert drop_after(tmp_path / "absent", 3) == []


def test_importing_loads_no_drawing_library():
    names = ("matplotlib", "PIL")
    code = f"import sys, deepcanon.engine.pictures; print([m for m in {names} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
