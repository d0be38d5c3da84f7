"""The report: one self-contained HTML page and its Markdown twin, both pure functions of the outlook document.

Guarantees: every number shown is in the document; the same document gives the same bytes; the page needs no network,
no script and no font of its own.
"""

from forecast.report.html import render_html
from forecast.report.markdown import render_markdown
from forecast.report.record import render_record_html, render_record_markdown

__all__ = ["render_html", "render_markdown", "render_record_html", "render_record_markdown"]
