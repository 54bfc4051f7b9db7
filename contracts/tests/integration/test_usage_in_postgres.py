"""Postgres computes the same usage hash from the same columns."""

from collections.abc import Callable

import asyncpg

from msaas.contracts import UsageRecorded

IN_SQL = """
select encode(sha256(
    uuid_send($1) || int8send($2) || uuid_send($3) || int8send($4)
    || int8send((extract(epoch from $5::timestamptz) * 1000000)::bigint) || decode($6, 'hex')
), 'hex')
"""


async def test_postgres_builds_the_same_bytes(
    database_url: str, load_sample: Callable[[str], UsageRecorded]
) -> None:
    fact = load_sample("UsageRecorded")
    columns = (fact.subject_id, fact.seq, fact.job_id, fact.quantity)
    connection = await asyncpg.connect(database_url)
    try:
        computed = await connection.fetchval(IN_SQL, *columns, fact.occurred_at, fact.prev_hash)
    finally:
        await connection.close()
    assert computed == fact.hash
