"""Tables as Markdown and as one HTML file that needs nothing beside it."""

import base64
import html
import re

from ssl_tf.errors import BadInput, have

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 68em;
       padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; font-size: 0.87em }
th, td { padding: 0.3em 0.7em; border-bottom: 1px solid #ddd; text-align: left }
th { background: #f4f6f8 } td { font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto; margin: 0.5em 0.5em 0 0 }
p.note { color: #666; font-size: 0.87em } div.wide { overflow-x: auto }
"""


def markdown(head, rows):
    """A Markdown table of texts."""
    escape = lambda text: str(text).replace("|", "\\|")
    lines = ["| " + " | ".join(map(escape, head)) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(escape, row)) + " |" for row in rows]
    return "\n".join(lines)


class Drawn(str):
    """HTML that is put into a table as it is."""


def table(head, rows):
    """An HTML table of texts, or of `Drawn`."""
    plain = lambda text: text if isinstance(text, Drawn) else html.escape(str(text))
    cells = lambda kind, row: "".join(f"<{kind}>{plain(x)}</{kind}>" for x in row)
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{cells("th", head)}</tr>{body}</table></div>'


WIDTH, HEIGHT = 160, 14  # of an interval's picture, in CSS pixels


def interval(found, reach):
    """The picture of a `stats.Difference` on a scale from -reach to reach.

    A bar from one end of the interval to the other, a dot at the mean, a line at 0.
    """
    place = lambda x: WIDTH / 2 * (1 + max(-1.0, min(1.0, x / reach)))
    middle, dot = HEIGHT / 2, place(found.mean)
    bar = ""
    if found.low is not None:
        low, high = place(found.low), place(found.high)
        bar = (
            f'<rect x="{low:.1f}" y="{middle - 2}" width="{high - low:.1f}" '
            'height="4" fill="#9bbcd6"/>'
        )
    return Drawn(
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="effect and interval"><line x1="{WIDTH / 2}" y1="0" '
        f'x2="{WIDTH / 2}" y2="{HEIGHT}" stroke="#999"/>{bar}'
        f'<circle cx="{dot:.1f}" cy="{middle}" r="3" fill="#1b6ca8"/></svg>'
    )


BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text, blocks, where):
    """A Markdown text whose generated blocks are made anew.

    A block stands between `<!-- generated: NAME -->` and `<!-- end -->`.

    Args:
        text: str.
        blocks: `{name: Markdown}`.
        where: the file, for messages.

    Raises:
        BadInput: a block of another name.
    """

    def made(match):
        start, name, end = match.groups()
        if name not in blocks:
            raise BadInput(
                f"{where}: no generated block {name!r}. Have: {have(blocks)}."
            )
        return f"{start}{blocks[name]}\n{end}"

    return BLOCK.sub(made, text)


def image(path, text):
    """A PNG inside the page."""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{data}">'


def page(title, note, sections):
    """The whole HTML text.

    Args:
        title: str.
        note: str, below the title.
        sections: `[(heading, HTML)]`.
    """
    parts = "".join(f"<h2>{html.escape(h)}</h2>{body}" for h, body in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>"
        f'<p class="note">{html.escape(note)}</p>{parts}</body></html>\n'
    )
