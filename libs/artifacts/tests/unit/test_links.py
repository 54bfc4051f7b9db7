"""Who may do what with which file, and until when."""

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from msaas.artifacts import LinkSigner, content_type_of

KEY = "job/fence/page.pdf"


def query_of(link: str) -> str:
    return urlsplit(link).query


def test_a_link_is_for_one_verb_one_file_and_one_time() -> None:
    now = [1_000.0]
    signer = LinkSigner("secret", "http://files.test/files/", lambda: now[0])
    link = signer.sign("PUT", KEY, 60)
    assert link.startswith(f"http://files.test/files/{KEY}?")
    assert signer.path == "/files/"
    assert signer.permits("PUT", KEY, query_of(link))
    assert not signer.permits("GET", KEY, query_of(link))
    assert not signer.permits("PUT", KEY + "x", query_of(link))
    assert not LinkSigner("other", "http://files.test").permits("PUT", KEY, query_of(link))
    now[0] += 60
    assert not signer.permits("PUT", KEY, query_of(link))


@given(st.text(max_size=200))
def test_no_other_words_open_the_door(query: str) -> None:
    assert not LinkSigner("secret", "http://files.test").permits("GET", KEY, query)


@given(st.integers(0, 63), st.sampled_from("0123456789abcdef"), st.integers(0, 10**12))
def test_a_link_that_was_changed_is_no_link(place: int, digit: str, expires: int) -> None:
    signer = LinkSigner("secret", "http://files.test", lambda: 1_000.0)
    query = query_of(signer.sign("GET", KEY, 60))
    head, _, mark = query.partition("&signature=")
    changed = mark[:place] + digit + mark[place + 1 :]
    assert signer.permits("GET", KEY, f"{head}&signature={changed}") is (changed == mark)
    later = f"expires={expires}&signature={mark}"
    assert signer.permits("GET", KEY, later) is (expires == 1_060)


def test_only_what_no_browser_runs_is_kept() -> None:
    assert content_type_of("a/b/page.pdf") == "application/pdf"
    assert content_type_of("result.json") == "application/json"
    for name in ("page.html", "page.svg", "page.js", "page", "png", ".", "a.PNG.exe"):
        assert content_type_of(name) in {None, "image/png"}
        assert name == "png" or content_type_of(name) is None
