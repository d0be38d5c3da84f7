from forecast.report import render_html, render_markdown
from tests.report.sample import sample_document


def test_a_rung_that_gave_way_is_named_with_the_reason_at_the_top() -> None:
    document = sample_document()
    document["issue"]["fallbacks"] = [{"rung": "R6", "reason": "k-hat: 1.3 at <draws> fails the gate (limit 0.7)"}]
    html, text = render_html(document), render_markdown(document)
    assert "<strong>R6 gave way to the rung below.</strong> k-hat: 1.3 at &lt;draws&gt; fails the gate" in html
    assert "**R6 gave way to the rung below.**" in text
    assert html.index("R6 gave way") < html.index("How likely")
    assert "gave way" not in render_html(sample_document())
    assert "gave way" not in render_markdown(sample_document())
