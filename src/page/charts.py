"""Figures as Vega-Lite specifications: plain values, whose colours are read on light and on dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cryptoproxy.page.asking import Row

Spec = dict[str, Any]

FEW = 12
"""Points of a line that are so few are shown: one alone makes no line."""
UP, DOWN, GREY = "#1a9988", "#cc4444", "#8a94a0"
LINES = ("#4a90d9", "#e07b39", "#1a9988", "#b45fa8", "#d9a520", "#6bb5d8", "#8c6bb1", "#a6761d")
"""As the figures of `query` and of Kibana have them."""
_COLOUR = {"condition": {"test": "datum.close >= datum.open", "value": UP}, "value": DOWN}
_ZOOM = {"name": "zoom", "select": {"type": "interval", "encodings": ["x"]}, "bind": "scales"}


def candles(rows: Sequence[Row], over: Sequence[str], *, height: int = 380) -> Spec:
    """Candles, the lines of ``over`` upon them, and volume at the foot."""
    wide = {"expr": f"clamp(0.7 * width / {max(1, len(rows))}, 0.7, 9)"}
    tip = [
        _tip("begin", "temporal"),
        *(_tip(each, "quantitative", ",.8~g") for each in ("open", "high", "low", "close")),
    ]
    tip += [_tip(each, "quantitative", ".4~s") for each in ("base_volume", "quote_volume")]
    price = {"type": "quantitative", "title": None, "scale": {"zero": False}, "axis": {"format": ",.8~g"}}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule"},
            "encoding": {"y": {"field": "low", **price}, "y2": {"field": "high"}, "color": _COLOUR},
            "params": [_ZOOM],
        },
        {
            "mark": {"type": "bar", "size": wide},
            "encoding": {"y": {"field": "open", **price}, "y2": {"field": "close"}, "color": _COLOUR, "tooltip": tip},
        },
    ]
    for name, colour in zip(over, (*LINES, *LINES), strict=False):
        line = {"type": "line", "strokeWidth": 1.2, "color": colour}
        layers.append({"mark": line, "encoding": {"y": {"field": name, **price}}})
    parts: list[Spec] = [{"layer": layers}]
    volumes = [row["quote_volume"] for row in rows if row.get("quote_volume")]
    if volumes:
        room = {"zero": True, "domain": [0, 5 * max(volumes)]}
        y = {"field": "quote_volume", "type": "quantitative", "axis": None, "scale": room}
        mark = {"type": "bar", "size": wide, "opacity": 0.3}
        parts.insert(0, {"mark": mark, "encoding": {"y": y, "color": _COLOUR}})
    return {
        "height": height,
        "layer": parts,
        "encoding": {"x": time_of(rows)},
        "resolve": {"scale": {"y": "independent"}},
    }


def beside(rows: Sequence[Row]) -> list[Spec]:
    """What stands below candles: RSI and MACD, where rows have them."""
    made = []
    x = time_of(rows)
    for name in rows[0] if rows else ():
        if name.startswith("rsi_"):
            scale = {"scale": {"domain": [0, 100]}, "axis": {"values": [0, 30, 70, 100]}, "title": "RSI"}
            made.append({"height": 110, "layer": [_line(name, LINES[3], scale)], "encoding": {"x": x}})
        elif name.startswith("macd_") and name.count("_") == 3:
            plain = {"title": "MACD", "axis": {"tickCount": 3, "format": "~s"}}
            y = {"field": f"{name}_histogram", "type": "quantitative", **plain}
            colour = {"condition": {"test": f"datum['{name}_histogram'] >= 0", "value": UP}, "value": DOWN}
            bar: Spec = {"mark": {"type": "bar", "size": 2}, "encoding": {"y": y, "color": colour}}
            lines_of = [_line(name, LINES[0], plain), _line(f"{name}_signal", LINES[1], plain)]
            made.append({"height": 130, "layer": [bar, *lines_of], "encoding": {"x": x}})
    return made


def _line(field: str, colour: str, y: Spec) -> Spec:
    mark = {"type": "line", "strokeWidth": 1.2, "color": colour}
    return {"mark": mark, "encoding": {"y": {"field": field, "type": "quantitative", **y}}}


def time_of(rows: Sequence[Row]) -> Spec:
    """The axis of time, in UTC, with words that fit the span of ``rows``."""
    days = 0.0
    if rows:
        first, last = (datetime.fromisoformat(rows[place]["begin"]) for place in (0, -1))
        days = (last - first).total_seconds() / 86_400
    form = "%H:%M" if days <= 1.5 else "%d %b" if days < 200 else "%b %Y"
    axis = {"format": form, "labelOverlap": True, "tickCount": 8, "grid": False}
    return {"field": "begin", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": axis}


def over_of(row: Mapping[str, Any]) -> list[str]:
    """The columns of indicators that are prices."""
    return [name for name in row if name.startswith(("sma_", "ema_", "bollinger_"))]


def compared(rows: Sequence[Row]) -> list[Row]:
    """Each asset's closes as percent since its first bar: ``name``, ``begin``, ``change``."""
    first: dict[str, float] = {}
    made = []
    for row in rows:
        name = f"{row['symbol']} ({row['source']})"
        base = first.setdefault(name, row["close"])
        made.append({"name": name, "begin": row["begin"], "change": (row["close"] / base - 1) * 100})
    return made


def lines(
    rows: Sequence[Row],
    field: str,
    *,
    by: str = "",
    title: str = "",
    form: str = "~s",
    height: int = 240,
    zero: bool = False,
) -> Spec:
    """A line over time, one for each value of ``by``."""
    plain = {"title": title or None, "axis": {"format": form}, "scale": {"zero": zero}}
    encoding: Spec = {
        "x": time_of(rows),
        "y": {"field": field, "type": "quantitative", **plain},
        "tooltip": [_tip("begin", "temporal"), _tip(field, "quantitative", ",.6~g")],
    }
    mark: Spec = {"type": "line", "strokeWidth": 1.6, "color": LINES[0], "point": len(rows) < FEW}
    if by:
        scale = {"range": list(LINES)}
        encoding["color"] = {"field": by, "type": "nominal", "title": None, "scale": scale, "legend": {"orient": "top"}}
        encoding["tooltip"].insert(0, _tip(by, "nominal"))
    return {"height": height, "mark": mark, "encoding": encoding, "params": [_ZOOM]}


def bars(name: str, value: str, *, title: str, form: str = ",.3~g", most: int = 25) -> Spec:
    """Lying bars, the largest first."""
    return {
        "height": {"step": 18},
        "mark": {"type": "bar", "color": LINES[0], "cornerRadiusEnd": 2},
        "encoding": {
            "y": {"field": name, "type": "nominal", "sort": "-x", "title": None},
            "x": {"field": value, "type": "quantitative", "title": title, "axis": {"format": form}},
            "tooltip": [_tip(name, "nominal"), _tip(value, "quantitative", ",.5~g")],
        },
        "transform": [{"window": [{"op": "row_number", "as": "row"}]}, {"filter": f"datum.row <= {most}"}],
    }


def depth() -> Spec:
    """What stands in a book up to each price, of rows with ``side``, ``price``, ``sum_quote``."""
    scale = {"domain": ["bid", "ask"], "range": [UP, DOWN]}
    price = {"scale": {"zero": False}, "title": None, "axis": {"format": ",.8~g", "tickCount": 5}}
    total = {"title": "sum, in quote", "axis": {"format": "~s"}, "stack": None}
    tip = [("side", "nominal", ""), ("price", "quantitative", ",.8~g"), ("sum_quote", "quantitative", ".4~s")]
    return {
        "height": 240,
        "mark": {"type": "area", "interpolate": "step", "opacity": 0.55, "line": True},
        "encoding": {
            "x": {"field": "price", "type": "quantitative", **price},
            "y": {"field": "sum_quote", "type": "quantitative", **total},
            "color": {"field": "side", "type": "nominal", "scale": scale, "legend": None},
            "tooltip": [_tip(*each) for each in tip],
        },
    }


def heat(rows: Sequence[Row], *, width: float = 900, height: float = 420) -> tuple[list[Row], Spec]:
    """Tiles as large as the cap, coloured by the change over 24 h; rows of ``prices``."""
    known = [row for row in rows if row.get("market_cap") and row.get("change_24h") is not None]
    known.sort(key=lambda row: -row["market_cap"])
    made = []
    for row, tile in zip(known, tiles([each["market_cap"] for each in known], width, height), strict=True):
        wide, high = tile.x2 - tile.x, tile.y2 - tile.y
        made.append(
            {
                **tile._asdict(), "cx": (tile.x + tile.x2) / 2, "cy": (tile.y + tile.y2) / 2, "symbol": row["symbol"],
                "change": row["change_24h"], "cap": row["market_cap"], "said": f"{row['change_24h']:+.1f} %",
                "size": max(7, min(26, wide / (0.75 * max(5, len(row["symbol"]))), high / 3.2)),
                "named": wide > 34 and high > 18, "told": wide > 52 and high > 40,
            }
        )  # fmt: skip
    plain = {"type": "quantitative", "axis": None}
    x, y = {**plain, "scale": {"domain": [0, width]}}, {**plain, "scale": {"domain": [height, 0]}}
    centre = {"x": {"field": "cx", **x}, "y": {"field": "cy", **y}}
    text = {"type": "text", "color": "white"}
    colour = {
        "field": "change", "type": "quantitative", "legend": None,
        "scale": {"domain": [-5, 0, 5], "range": [DOWN, "#5b6570", UP], "clamp": True, "interpolate": "rgb"},
    }  # fmt: skip
    tip = [_tip("symbol", "nominal"), _tip("change", "quantitative", "+.2f"), _tip("cap", "quantitative", ".3~s")]
    spec: Spec = {
        "height": height,
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "rgba(255,255,255,0.35)", "strokeWidth": 1, "tooltip": True},
                "encoding": {"x": {"field": "x", **x}, "x2": {"field": "x2"}, "y": {"field": "y", **y},
                             "y2": {"field": "y2"}, "color": colour, "tooltip": tip},
            },
            {
                "mark": {**text, "dy": {"expr": "datum.told ? -6 : 0"}, "fontWeight": "bold"},
                "transform": [{"filter": "datum.named"}],
                "encoding": {**centre, "text": {"field": "symbol"},
                             "size": {"field": "size", "type": "quantitative", "scale": None, "legend": None}},
            },
            {
                "mark": {**text, "dy": 12, "fontSize": 11},
                "transform": [{"filter": "datum.told"}],
                "encoding": {**centre, "text": {"field": "said"}},
            },
        ],
        "config": {"view": {"stroke": None}},
    }  # fmt: skip
    return made, spec


def _tip(field: str, kind: str, form: str = "") -> Spec:
    if kind == "temporal":
        return {"field": field, "type": kind, "format": "%Y-%m-%d %H:%M", "title": "UTC", "scale": {"type": "utc"}}
    return {"field": field, "type": kind, **({"format": form} if form else {})}


# ---- tiles of a heat map: rectangles whose areas are as the values, as near to squares as they can be


class Tile(NamedTuple):
    """Left, top, right, bottom, within the map's width and height."""

    x: float
    y: float
    x2: float
    y2: float


def tiles(values: Sequence[float], width: float, height: float) -> list[Tile]:
    """One for each value, in their order. Values above 0, the largest first.

    "Squarified treemaps" (Bruls, Huizing, van Wijk, 2000): rows are laid along the shorter side, and a row takes one
    more as long as its worst tile gets no longer.
    """
    if not values:
        return []
    scale = width * height / sum(values)
    areas = [value * scale for value in values]
    placed: list[Tile] = []
    x = y = 0.0
    while len(placed) < len(areas):
        rest = areas[len(placed) :]
        side = max(min(width - x, height - y), 1e-9)  # what floats leave of the last one
        count = 1
        while count < len(rest) and _worst(rest[: count + 1], side) <= _worst(rest[:count], side):
            count += 1
        row = rest[:count]
        thick = sum(row) / side
        along_height = height - y <= width - x
        at = y if along_height else x
        for area in row:
            to = at + area / thick
            placed.append(Tile(x, at, x + thick, to) if along_height else Tile(at, y, to, y + thick))
            at = to
        if along_height:
            x += thick
        else:
            y += thick
    return placed


def _worst(row: Sequence[float], side: float) -> float:
    """The longest tile of a row: its longer side by its shorter one."""
    total = sum(row)
    return max(max(side * side * area / (total * total), total * total / (side * side * area)) for area in row)
