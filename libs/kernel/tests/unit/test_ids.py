"""Holds that new ids sort by time and that derived ones never change."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from msaas.kernel import derive_id, new_id


def test_new_ids_are_version_7_and_each_is_larger_than_the_last() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert {(type(made), made.version) for made in ids} == {(UUID, 7)}
    assert ids == sorted(set(ids))


def test_a_derived_id_is_pinned_for_ever() -> None:
    subject = UUID("01932c07-a000-7000-8000-000000000001")
    assert derive_id(subject, 1) == UUID("dade607b-d9f8-5816-b6be-d04789ee3b39")


def test_a_subject_may_be_given_as_uuid_or_text_and_a_version_as_number_or_text() -> None:
    subject = new_id()
    assert derive_id(subject, 7) == derive_id(str(subject), "7")


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_derived_ids_are_equal_only_if_subject_and_version_are(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert (derive_id(*one) == derive_id(*other)) == (one == other)
