"""Point sets: files in every accepted form, what is wrong with them, exact solutions, and 2,000 altered files."""

import itertools
import os
import random

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from deepcanon.data import check, kinds_of, open_data, read_inputs
from deepcanon.data.drawn import Streams
from deepcanon.data.errors import DataError
from deepcanon.data.point_sets import NONE, solved
from deepcanon.parts.plane import area, convex_hull, is_simple, length, shortest_tours

SQUARE = "set,x,y\na,0,0\na,4,0\na,4,4\na,0,4\na,1,2\nb,1,1\nb,3,1\nb,2,5\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def opened(path, skip_bad=False, **options):
    chosen = {"valid_share": 0, "test_share": 0, **options}
    return open_data(("point_sets",), str(path), options={"point_sets": chosen}, skip_bad=skip_bad)


# The geometry, against scipy and against all permutations


@pytest.mark.parametrize("size", [3, 4, 7, 20, 60])
def test_hulls_are_those_of_scipy(size):
    drawn = np.random.default_rng(size)
    for _ in range(60):
        points = drawn.random((size, 2))
        hull, theirs = convex_hull(points), ConvexHull(points)
        first = theirs.vertices.tolist().index(min(theirs.vertices))
        assert hull == np.roll(theirs.vertices, -first).tolist()  # the lowest number first, counter-clockwise
        assert is_simple(points[hull]) and area(points[hull]) == pytest.approx(theirs.volume)


def test_points_on_an_edge_are_no_corners_and_a_line_has_no_hull():
    square = np.array([[0, 0], [1, 0], [2, 0], [2, 2], [0, 2], [0, 1], [1, 1]], dtype=float)
    assert convex_hull(square) == [0, 2, 3, 4]
    assert len(convex_hull(np.array([[0, 0], [1, 1], [2, 2.0]]))) < 3


@pytest.mark.parametrize("size", [3, 4, 5, 7])
def test_tours_are_the_shortest_of_all(size):
    points = np.random.default_rng(size).random((20, size, 2))
    for one, tour in zip(points, shortest_tours(points), strict=True):
        best = min(length(one[[0, *rest]]) for rest in itertools.permutations(range(1, size)))
        assert length(one[tour]) == pytest.approx(best) and tour[0] == 0 and tour[1] < tour[-1]
        assert sorted(tour) == list(range(size)) and is_simple(one[tour])
    with pytest.raises(ValueError, match="tours of 2 points are not solved"):
        shortest_tours(points[:, :2])


def test_a_polygon_that_crosses_or_repeats_is_not_simple():
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    assert is_simple(corners) and not is_simple(corners[[0, 2, 1, 3]]) and not is_simple(corners[[0, 1, 2, 1]])
    assert area(corners) == 1 and area(corners[::-1]) == -1 and not is_simple(corners[:2])


def test_edges_on_one_line_touch_only_where_they_overlap():
    """Two teeth whose tips end on one height: edges of one line that are apart; then the cases where they are not."""
    comb = np.array([[0, 0], [1, 1], [2, 1], [3, 0], [4, 1], [5, 1], [6, 0], [6, 2], [0, 2.0]])
    assert is_simple(comb) and area(comb) == pytest.approx(8)
    overlapping = comb[[0, 1, 4, 3, 2, 5, 6, 7, 8]]  # from 1 to 4 and from 2 to 5 of the same height
    assert not is_simple(overlapping)
    spike = np.array([[0, 0], [3, 0], [1, 0], [1, 2.0]])
    assert not is_simple(spike) and not is_simple(np.array([[0, 0], [2, 0], [1, 0.0]]))
    assert not is_simple(np.array([[0, 0], [0, 0], [1, 0], [0, 1.0]]))  # a corner twice in a row
    tiny = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])[[0, 2, 1, 3]] * 1e-160
    assert not is_simple(tiny)  # where products of two turns would be 0 or not by chance


def test_tours_of_many_sets_need_no_more_memory_than_those_of_some(monkeypatch):
    from deepcanon.parts import plane

    points = np.random.default_rng(3).random((50, 8, 2))
    whole, most = shortest_tours(points), []
    monkeypatch.setattr(plane, "BYTES", 40_000)
    unlimited = plane._tours
    monkeypatch.setattr(plane, "_tours", lambda some: most.append(len(some)) or unlimited(some))
    assert np.array_equal(shortest_tours(points), whole) and sum(most) == 50
    assert max(most) * 7 * 128 * 9 <= 40_000 and len(most) > 8  # the table: 128 sets of 7 points, 9 bytes each
    assert shortest_tours(points[:0]).shape == (0, 8)


# Files


def test_sets_of_a_file_with_their_solutions(tmp_path):
    data = opened(write(tmp_path / "t.csv", SQUARE))
    x, y = data["train"].x, data["train"].y
    assert x.shape == (2, 5, 2) and x[1, 3:].isnan().all() and not x[0].isnan().any()
    assert x[0, 2].tolist() == [1, 1] and x[1, 0].tolist() == [0, 0]  # each in the unit square
    assert y.tolist() == [[0, 1, 2, 3, NONE], [0, 1, 2, NONE, NONE]]
    assert data.facts == {"problem": "hull", "fewest": 3, "most": 5}
    tours = opened(tmp_path / "t.csv", problem="tour")
    assert tours["train"].y[1].tolist() == [0, 1, 2, NONE, NONE] and tours.facts["problem"] == "tour"


def test_answers_are_those_of_the_points_as_they_are_stored(tmp_path):
    """A point 1e-8 beyond an edge is a corner in 64 bits, and lies on the edge in 32."""
    path = write(tmp_path / "t.csv", f"x,y\n0,0\n4,0\n4,4\n2,{4 + 1e-8!r}\n0,4\n")
    assert len(convex_hull(np.array([[0, 0], [4, 0], [4, 4], [2, 4 + 1e-8], [0, 4]]))) == 5
    data = opened(path)["train"]
    assert data.x[0, 3].tolist() == [0.5, 1] and data.y[0].tolist() == [0, 1, 2, 4, NONE]
    drawn = np.random.default_rng(0)
    rows = [f"{n},{x!r},{y!r}" for n in range(40) for x, y in drawn.random((8, 2)).tolist()]
    for problem in ("hull", "tour", "delaunay"):
        data = opened(write(tmp_path / "d.csv", "set,x,y\n" + "\n".join(rows) + "\n"), problem=problem)["train"]
        assert np.array_equal(data.y.numpy(), solved(data.x.double().numpy(), problem))


def test_what_is_not_read_and_what_was_understood_is_told(tmp_path):
    write(tmp_path / "a" / "train.csv", "sep=,\n" + SQUARE)
    for name in ("other.csv", "notes.md"):
        write(tmp_path / "a" / name, SQUARE)
    (tmp_path / "a" / "more").mkdir()
    notes = opened(tmp_path / "a").notes
    assert "not read: more/, notes.md, other.csv" in notes and "splits: train from train.csv" in notes
    assert any("'sep=,', says that cells are separated by ','" in note for note in notes)
    found = read_inputs("point_sets", {}, [str(tmp_path / "a" / "other.csv"), str(tmp_path / "a" / "train.csv")])
    assert list(found.notes) == [2] and "says that cells are separated" in found.notes[2]


def test_splits_for_which_there_are_too_few_sets_are_told(tmp_path):
    path = write(tmp_path / "t.csv", SQUARE)
    notes = opened(path, valid_share=0.1, test_share=0.1).notes
    assert "drawn by the seed: 10% valid" in notes and "too few sets for a split: test" in notes
    one = opened(write(tmp_path / "o.csv", "x,y\n0,0\n1,0\n0,1\n"), valid_share=0.1, test_share=0.1).notes
    assert "too few sets for a split: valid and test" in one and not any("drawn by the seed" in note for note in one)


def test_both_coordinates_are_written_alike_and_it_is_told(tmp_path):
    """0,5 is a decimal comma, so 1,250 in the other column is one too, and not a thousand."""
    rows = "a;1,250;0,5\na;3,500;1\nb;2;9\na;5,750;8\nb;4;1\nb;7;7\n"
    data = opened(write(tmp_path / "t.csv", "set;lat;lon\n" + rows))
    assert data["train"].x[0, :3].flatten().tolist() == pytest.approx([0, 0, 0.3, 1 / 15, 0.6, 1])
    assert {
        "coordinates: decimal commas (first: 1,250)",
        "columns: lat and lon are the coordinates, in this order",
        "sets with rows of others between theirs, each read as one: 2",
    } <= set(data.notes)


def test_triangulations_of_files(tmp_path):
    path = write(tmp_path / "t.csv", "set,x,y\na,0,0\na,4,0\na,4,4\na,0,3\nb,1,1\nb,3,1\nb,2,5\n")
    data = opened(path, problem="delaunay")
    assert data["train"].y.tolist() == [[0, 1, 3, 1, 2, 3, *[NONE] * 3], [0, 1, 2, *[NONE] * 6]]
    assert "solved exactly: the triangles of the Delaunay triangulation (--problem)" in data.notes


def test_the_same_sets_in_every_form(tmp_path):
    write(tmp_path / "a" / "train.csv", SQUARE)
    write(tmp_path / "a" / "test.csv", "set,x,y\nq,0,0\nq,1,0\nq,0,1\n")
    assert opened(tmp_path / "a").counts() == {"train": 2, "test": 1}
    write(tmp_path / "a" / "old.csv", SQUARE)
    write(tmp_path / "a" / "notes.md", "x")
    assert "not read: notes.md, old.csv" in opened(tmp_path / "a").notes
    for name in ("one", "two"):
        write(tmp_path / "b" / f"{name}.tsv", "x\ty\n0\t0\n4\t0\n4\t4\n")
    assert opened(tmp_path / "b").counts() == {"train": 2}
    assert "point_sets" in kinds_of(str(tmp_path / "a")) and "point_sets" in kinds_of(str(tmp_path / "b" / "one.tsv"))
    assert "point_sets" not in kinds_of(str(write(tmp_path / "c.csv", "a,b,c,d\n1,2,3,4\n")))


BROKEN = {
    "tour of two": ("set,x,y\na,0,0\na,1,1\n", {"problem": "tour"}, "line 2: set 'a' has 2 points, and a tour needs 3"),
    "hull of one": ("x,y\n0,0\n", {}, "line 2: its set has 1 point, and a hull needs 3"),
    "a line": ("x,y\n0,0\n1,1\n2,2\n", {}, "line 2: its set lies on one line"),
    "twice": (
        "x,y\n0,0\n1,0\n0,0\n0,1\n",
        {},
        "line 4: its set has the point of .*line 2.* again",
    ),
    "collapsed": (
        "x,y\n0,0\n1000000000,0\n1000000001,0\n0,1e9\n",
        {},
        "line 4: its set has the point of line 3 again, once both are scaled and rounded to 32 bits; leave one out",
    ),
    "nearly a line": ("x,y\n0,0\n1,1.00000001\n2,2\n", {}, "line 2: its set lies on one line, and has no hull"),
    "a circle": ("x,y\n0,0\n1,0\n1,1\n0,1\n", {"problem": "delaunay"}, "line 2: its set has four points on one circle"),
    "flat": ("x,y\n0,0\n1,1\n2,2\n", {"problem": "delaunay"}, "lies on one line, and has no triangulation"),
    "two": ("x,y\n0,0\n1,1\n", {"problem": "delaunay"}, "has 2 points, and a triangulation needs 3"),
    "word": ("x,y\n0,0\n1,here\n0,1\n1,1\n", {}, "line 3, column 'y': is 'here', not a coordinate"),
    "empty cell": ("x,y\n0,0\n1,\n0,1\n1,1\n", {}, "line 3, column 'y': is empty"),
    "infinite": ("x,y\n0,0\n1,inf\n0,1\n1,1\n", {}, "line 3, column 'y': is 'inf', not a coordinate"),
    "columns": ("x,y,z\n0,0,0\n1,1,1\n", {}, "header: has 3 columns of coordinates .*x, y, z.*, not 2"),
    "no set": ("set,x,y\na,0,0\n,1,0\na,1,1\na,0,1\n", {}, "line 3: belongs to no set"),
    "long tour": ("x,y\n" + "".join(f"{n},{n * n}\n" for n in range(14)), {"problem": "tour"}, "up to 13"),
    "ragged": ("x,y\n0,0\n1\n0,1\n1,1\n", {}, "line 3"),
    "nothing": ("", {}, "is empty"),
    "either": ("x;y\n1,250;2,125\n3,500;4\n9,100;1\n", {}, "1,250 may be 1250 or 1.250; write coordinates without"),
    "headless": ("0,2\n1,0\n0,1\n", {}, "not names; put a line with the column names first$"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_what_is_wrong_is_said_in_one_line(tmp_path, name):
    content, options, said = BROKEN[name]
    path = write(tmp_path / "t.csv", content)
    with pytest.raises(DataError, match=said) as error:
        opened(path, **options)
    assert len(str(error.value).splitlines()) == 1 and "t.csv" in str(error.value)
    assert check(("point_sets",), str(path), {"point_sets": options}).problems


def test_a_bad_set_can_be_left_out(tmp_path):
    path = write(tmp_path / "t.csv", SQUARE + "c,1,1\n")
    data = opened(path, skip_bad=True)
    assert data.counts() == {"train": 2} and len(data.record["skipped"]) == 1


def test_sets_to_predict_are_scaled_as_those_of_training(tmp_path):
    path = write(tmp_path / "t.csv", SQUARE)
    found = read_inputs("point_sets", {}, [str(path)])
    assert found.names == [f"{path}: set a", f"{path}: set b"]
    assert torch.equal(found.values[1], opened(path)["train"].x[1, :3])


def test_altered_files_are_read_or_refused_in_one_line(tmp_path):
    drawn, path, accepted = random.Random(0), tmp_path / "t.csv", 0
    pieces = [
        ",",
        "\n",
        "nan",
        "1e999",
        "-",
        ";",
        '"',
        "\t",
        "\0",
        "é",
        "set",
        "0",
        ".",
        "\r\n",
        "\ufeff",
        "1e-320",
        "_",
    ]
    for _ in range(int(os.environ.get("DEEPCANON_FUZZ", "2000"))):
        text = SQUARE
        for _ in range(drawn.choice([0, 1, 1, 2, 3])):
            at = drawn.randrange(len(text) + 1)
            kind = drawn.choice(["cut", "insert", "drop", "double"])
            if kind == "cut":
                text = text[:at]
            elif kind == "insert":
                text = text[:at] + drawn.choice(pieces) + text[at:]
            elif kind == "drop":
                text = text[:at] + text[at + drawn.randrange(1, 9) :]
            else:
                text = text[:at] + text[max(at - 12, 0) : at] + text[at:]
        path.write_bytes(text.encode(drawn.choice(["utf-8"] * 6 + ["utf-16"])))
        try:
            data = opened(path, skip_bad=drawn.random() < 0.3, problem=drawn.choice(["hull", "tour"]))
        except DataError as error:
            assert len(str(error).splitlines()) == 1 and str(error).isprintable() and "t.csv" in str(error)
            continue
        accepted += 1
        x, y = data["train"].x, data["train"].y
        assert (y.ne(NONE).sum(1) >= 3).all() and (x.nan_to_num(0).abs() <= 1).all()
    assert accepted > 200


# Generated sets


def test_batches_have_one_size_and_exact_solutions():
    data = open_data(("point_sets",), "convex-hull", options={"point_sets": {"fewest": 4, "most": 6, "beyond": 9}})
    sizes = set()
    for step in range(30):
        batch = data["train"].batch(Streams(0, step), 5)
        sizes.add(batch.x.shape[1])
        assert not batch.x.isnan().any()
        for points, answer in zip(batch.x.double().numpy(), batch.y.tolist(), strict=True):
            assert [n for n in answer if n != NONE] == convex_hull(points)
    assert sizes == {4, 5, 6}
    counts = (~data["test"].x[:, :, 0].isnan()).sum(1)
    assert set(counts.tolist()) == {4, 5, 6, 9} and set((~data["valid"].x[:, :, 0].isnan()).sum(1).tolist()) == {
        4,
        5,
        6,
    }
    with pytest.raises(DataError, match="--fewest 2 and --most 6 are not sizes of sets; give 3 or more"):
        open_data(("point_sets",), "convex-hull", options={"point_sets": {"fewest": 2, "most": 6}})


def test_names_of_points_are_told_and_not_read(tmp_path):
    path = write(tmp_path / "a.csv", "city,lat,lon\nRome,1,2\nOslo,3,5\nBern,4,1\n")
    data = opened(path)
    assert data.counts() == {"train": 1}
    assert "columns that are not read: city (names of points)" in data.notes
    assert "columns: lat and lon are the coordinates, in this order" in data.notes
    with pytest.raises(DataError, match="has 3 columns of coordinates"):
        opened(
            write(tmp_path / "b.csv", "country,lat,lon\nItaly,1,2\nItaly,3,5\nOslo,4,1\n")
        )  # which may be names of sets
