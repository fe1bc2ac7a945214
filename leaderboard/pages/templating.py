"""Rendering templates: escaping, the content security policy, formatting of numbers.

All texts of users are autoescaped by Jinja. The content security policy allows the style sheet and the script of a
page by their SHA-256 and nothing else, so that a failure to escape could not run anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from leaderboard.claims.declaration import TRACKS
from leaderboard.claims.entry import printable
from leaderboard.claims.tier import TIER_NAMES, TIERS
from leaderboard.standings.chips import in_si
from leaderboard.standings.ranking import MIN_SEEDS

TEMPLATES = Path(__file__).with_name("templates")
GENERATOR = '<meta name="generator" content="spikebench leaderboard">'


def render(template: str, styles: tuple[str, ...], scripts: tuple[str, ...], **values: Any) -> str:  # noqa: ANN401
    """Render a page with embedded style and script.

    Parameters
    ----------
    template, styles, scripts
        Names of files in ``templates/``; styles and scripts are joined.
    values
        Variables of the template.

    Returns
    -------
    str
        HTML.
    """
    style, script = _joined(styles), _joined(scripts)
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            script=Markup(script),
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
            **values,
        )
    )


def inert_json(value: object) -> Markup:
    r"""Write JSON that cannot end the element that contains it.

    Parameters
    ----------
    value
        A value accepted by :func:`json.dumps`.

    Returns
    -------
    Markup
        JSON without ``<``, ``>`` and ``&``: they are written as ``\u003c`` and so on.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "percent": percent,
        "number": number,
        "cost": cost,
        "seconds": seconds,
        "clean": printable,
        "si": in_si,
    }
    environment.globals |= {
        "generator": Markup(GENERATOR),
        "min_seeds": MIN_SEEDS,
        "tier_names": TIER_NAMES,
        "tiers": TIERS,
        "tracks": TRACKS,
    }
    return environment


@cache
def _joined(names: tuple[str, ...]) -> str:
    return "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


@cache
def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def percent(value: float | None) -> str:
    """Format a fraction in percent, a dash if unknown."""
    return "–" if value is None else f"{100 * value:.1f}"


def number(value: float | None) -> str:
    """Format a whole number, a dash if unknown."""
    return "–" if value is None else f"{value:,.0f}"


def cost(value: float | None) -> str:
    """Format a cost with at least three digits, a dash if unknown."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds(value: float | None) -> str:
    """Format seconds to the hundredth, shorter ones as a cost, a dash if unknown."""
    if value is None or value < 0.01:
        return cost(value)
    return str(
        Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP)
    )  # like toFixed in the script
