"""Tables as Markdown and as one HTML file that needs nothing beside it."""

import base64
import html

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


def table(head, rows):
    """An HTML table of texts."""
    cells = lambda kind, row: "".join(
        f"<{kind}>{html.escape(str(text))}</{kind}>" for text in row
    )
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{cells("th", head)}</tr>{body}</table></div>'


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
