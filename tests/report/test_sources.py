import pytest

from forecast.report.sources import Part, split_sources


def test_several_sources_are_split_and_addresses_named_by_their_host() -> None:
    found = split_sources("https://www.example.org/a?b=1&c=2 ; AP 2013-11-24")
    assert found == [[Part("example.org", "https://www.example.org/a?b=1&c=2")], [Part("AP 2013-11-24")]]


def test_an_address_amid_text_loses_the_punctuation_after_it() -> None:
    found = split_sources("GOV/2021/10 (see https://example.net/x.html), table 2")
    assert found == [[Part("GOV/2021/10 (see "), Part("example.net", "https://example.net/x.html"), Part("), table 2")]]


@pytest.mark.parametrize(
    "source",
    ["javascript:alert(1)", "data:text/html,x", "github.com/a/b", "ftp://example.org", "//example.org", "https://"],
)
def test_nothing_but_web_addresses_becomes_a_link(source: str) -> None:
    assert split_sources(source) == [[Part(source)]]


def test_no_text_is_lost() -> None:
    source = 'a "quoted" https://x.org/<b> tail'
    assert [part.text for part in split_sources(source)[0]] == ['a "quoted" ', "x.org", "<b> tail"]


def test_an_empty_source_has_no_pieces() -> None:
    assert split_sources("") == []
