"""An installed upgrade with runs in flight loses none, and does nothing twice (R-EXEC-23, R-EDIT-4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deskhand.kernel import clock
from deskhand.kernel.database import embedded
from deskhand.testing.product import Product, lay_out
from tests.upgrade import interrupted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ANEW = (
    "tests/stored/installation.tar.xz, migrated, has other tables than a new installation. While nothing is released, a"
    " migration may be edited in place: then make the file anew with `make stored`. Once there is a release, the file is"
    " its, and the change needs a migration of its own."
)
CASTS = re.compile(r"::(?:text|character varying)|[()\[\]]")
TABLES = """
with own as (select oid, relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition)
select 'column ' || relname || '.' || attname,
    concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attgenerated, attidentity, pg_get_expr(adbin, adrelid))
from own join pg_attribute a on attrelid = own.oid left join pg_attrdef d on adrelid = attrelid and adnum = attnum
where attnum > 0 and not attisdropped
union all select 'constraint ' || relname || '.' || conname, pg_get_constraintdef(c.oid) from own join pg_constraint c on conrelid = own.oid
union all select 'index ' || c.relname, pg_get_indexdef(indexrelid)
from own join pg_index on indrelid = own.oid join pg_class c on c.oid = indexrelid
union all select 'trigger ' || relname || '.' || tgname, pg_get_triggerdef(t.oid)
from own join pg_trigger t on tgrelid = own.oid where not tgisinternal
union all select 'policy ' || tablename || '.' || policyname, concat_ws(' ', cmd, roles::text, qual, with_check) from pg_policies
where tablename in (select relname from own)
union all select 'function ' || p.oid::regprocedure::text, md5(pg_get_functiondef(p.oid))
from pg_proc p where pronamespace = 'public'::regnamespace and prokind in ('f', 'p')
union all select 'migration ' || app || '.' || name, '' from django_migrations
"""


@contextmanager
def installed() -> Iterator[Product]:
    with interrupted.installation() as made:
        yield made
        print(made.said())  # beside a failure


def test_killed_in_the_midst_and_upgraded_it_goes_on_where_it_was() -> None:
    with interrupted.world() as around, installed() as product:
        interrupted.interrupt(product, around)

        interrupted.upgrade(product)
        with embedded.running(product.data):
            interrupted.let_pass(product, interrupted.LATER)
        interrupted.finish(product, around)

        assert interrupted.missing_or_too_much(product, around) == []


def test_what_the_release_before_left_half_done_is_read_and_brought_to_its_end() -> None:
    """Its tables become those of a new installation, its stored runs mean what they meant."""
    with (
        interrupted.world(interrupted.HOOK_PORT, interrupted.ERP_PORT) as around,
        installed() as product,
        interrupted.installation() as new,
    ):
        made_at = interrupted.bring_back(product, interrupted.STORED)

        interrupted.upgrade(product)
        lay_out(new.data)
        with embedded.running(product.data), embedded.running(new.data):
            assert tables(product) ^ tables(new) == set(), ANEW
            interrupted.let_pass(product, interrupted.LATER - (clock.now() - made_at))
        interrupted.lower_fence(product)
        interrupted.finish(product, around)

        assert interrupted.missing_or_too_much(product, around) == []


def tables(product: Product) -> set[tuple[str, str]]:
    """Each part of the tables, and what it is; casts of texts, which a dump words anew, left out."""
    return {(part, CASTS.sub("", words)) for part, words in product.rows(TABLES)}
