"""The colours of figures: CSS variables for a light and a dark page, and the rules that refer to them.

A report sets the variables once for its page; a separate file contains them (`file_style`).
"""

__all__ = ["COLOURS", "DARK", "LIGHT", "RULES", "file_style", "sequential", "signed"]

COLOURS = 10

LIGHT = (
    "--page:#f6f7f9;--paper:#fff;--ink:#1c2430;--soft:#5f6b7a;--rule:#e1e5eb;--r0:#1463c4;--r1:#d4570f;--r2:#00856a;"
    "--r3:#8c3fb8;--r4:#c2185b;--r5:#8a6d00;--r6:#0088a8;--r7:#5b6470;--r8:#7a4a21;--r9:#4f8a10"
)
DARK = (
    "--page:#12161c;--paper:#1a2029;--ink:#e6eaf0;--soft:#9aa6b5;--rule:#2c3541;--r0:#6cb2ff;--r1:#ff9a4d;--r2:#3fc9a4;"
    "--r3:#cf9bf0;--r4:#ff7fae;--r5:#e0c04a;--r6:#4ecbe6;--r7:#aab4c2;--r8:#d6a77a;--r9:#a6d75b"
)

RULES = (
    """
.fig{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
.fig text{fill:var(--soft);font-size:12px}
.fig .small{font-size:10.5px}
.fig .title{fill:var(--ink);font-size:13px;font-weight:600}
.fig .word,.fig .value{fill:var(--ink)}
.fig .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.fig .red{fill:var(--r4)}
.fig .grid{stroke:var(--rule);stroke-width:1}
.fig .axis{stroke:var(--soft);stroke-width:1;fill:none}
.fig .line{fill:none;stroke:var(--line);stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.fig .dashed{stroke-dasharray:6 4}
.fig .dotted{stroke-dasharray:1.5 4}
.fig .band{fill:var(--line);opacity:.16}
.fig .fill{fill:var(--line)}
.fig .hist{fill:var(--line);fill-opacity:.14;stroke:var(--line);stroke-width:1.4}
.fig .points{fill:none;stroke:var(--line);stroke-linecap:round;stroke-opacity:.75}
.fig .square{stroke-linecap:square}
.fig .box{fill:var(--paper);stroke:var(--soft)}
.fig .pale{stroke:var(--rule)}
.fig .crisp{image-rendering:pixelated}
.fig .frame{fill:none;stroke:var(--rule)}
.fig .cell{fill:transparent}
.fig .cell:hover{stroke:var(--ink)}
.fig .strip rect.hit{fill:transparent}
.fig .strip .at,.fig .strip .tip{opacity:0;pointer-events:none}
.fig .strip .at{stroke:var(--soft)}
.fig .strip:hover .at,.fig .strip:hover .tip{opacity:1}
.fig .tip rect{fill:var(--paper);stroke:var(--soft);stroke-opacity:.5}
.fig .tip text{fill:var(--ink);font-size:11px}
.grey{--line:var(--soft)}
"""
    + "\n".join(f".c{index}{{--line:var(--r{index})}}" for index in range(COLOURS))
    + "\n"
)

SEQUENTIAL = (
    "#440154",
    "#482878",
    "#3e4989",
    "#31688e",
    "#26828e",
    "#1f9e89",
    "#35b779",
    "#6ece58",
    "#b5de2b",
    "#fde725",
)
SIGNED = ("#2166ac", "#67a9cf", "#d1e5f0", "#f7f7f7", "#fddbc7", "#ef8a62", "#b2182b")


def file_style() -> str:
    """The style of a separate file, which follows the reader's light or dark setting."""
    return f":root{{color-scheme:light dark;{LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}{RULES}"


def _between(share: float, anchors: tuple[str, ...]) -> tuple[int, int, int]:
    place = min(max(share, 0.0), 1.0) * (len(anchors) - 1)
    below = min(int(place), len(anchors) - 2)
    low, high = (tuple(int(anchors[i][at : at + 2], 16) for at in (1, 3, 5)) for i in (below, below + 1))
    red, green, blue = (round(a + (place - below) * (b - a)) for a, b in zip(low, high, strict=True))
    return red, green, blue


def sequential(share: float) -> tuple[int, int, int]:
    """Red, green and blue of a share in [0, 1]: dark is little, bright is much (the anchors are those of viridis)."""
    return _between(share, SEQUENTIAL)


def signed(share: float) -> tuple[int, int, int]:
    """Red, green and blue of a share in [0, 1] whose middle is white: blue is negative, red positive."""
    return _between(share, SIGNED)
