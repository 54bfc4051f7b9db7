"""Signed links: method, file and expiry."""

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from msaas.artifacts import LinkSigner, find_content_type

KEY = "job/fence/page.pdf"


def query_of(link: str) -> str:
    return urlsplit(link).query


def test_a_link_is_for_one_method_one_file_and_one_time() -> None:
    now = [1_000.0]
    signer = LinkSigner("secret", "http://files.test/files/", lambda: now[0])
    link = signer.sign("PUT", KEY, 60)
    assert link.startswith(f"http://files.test/files/{KEY}?")
    assert signer.base_path == "/files/"
    assert signer.verify("PUT", KEY, query_of(link))
    assert not signer.verify("GET", KEY, query_of(link))
    assert not signer.verify("PUT", KEY + "x", query_of(link))
    assert not LinkSigner("other", "http://files.test").verify("PUT", KEY, query_of(link))
    now[0] += 60
    assert not signer.verify("PUT", KEY, query_of(link))


@given(st.text(max_size=200))
def test_no_other_query_is_accepted(query: str) -> None:
    assert not LinkSigner("secret", "http://files.test").verify("GET", KEY, query)


@given(st.integers(0, 63), st.sampled_from("0123456789abcdef"), st.integers(0, 10**12))
def test_a_changed_link_is_invalid(index: int, digit: str, expires: int) -> None:
    signer = LinkSigner("secret", "http://files.test", lambda: 1_000.0)
    query = query_of(signer.sign("GET", KEY, 60))
    head, _, signature = query.partition("&signature=")
    changed = signature[:index] + digit + signature[index + 1 :]
    assert signer.verify("GET", KEY, f"{head}&signature={changed}") is (changed == signature)
    later = f"expires={expires}&signature={signature}"
    assert signer.verify("GET", KEY, later) is (expires == 1_060)


def test_only_kinds_that_browsers_do_not_execute_are_stored() -> None:
    assert find_content_type("a/b/page.pdf") == "application/pdf"
    assert find_content_type("result.json") == "application/json"
    for name in ("page.html", "page.svg", "page.js", "page", "png", ".", "a.PNG.exe"):
        assert find_content_type(name) in {None, "image/png"}
        assert name == "png" or find_content_type(name) is None
