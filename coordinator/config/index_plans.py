"""Plans of statements by the indexes they were written for, whatever the tables' statistics say."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

# Statements that are planned once (see DATABASES in settings) are planned while tables are small,
# and a small table is quickest read whole. It grows by thousands of rows within seconds when a plan
# begins, long before PostgreSQL looks at it again.
BY_INDEX = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
# Compiling a statement takes longer than any of these run.
NOT_COMPILED = "SET jit = off"
# Left to itself PostgreSQL goes on planning anew what has lists for arguments: it takes a list it
# does not know for longer than these are. Their plans are the same for any.
PLANNED_ONCE = "SET plan_cache_mode = force_generic_plan"


def plan_by_index() -> None:
    """Has every connection to the database that this process opens from now on use indexes.

    For processes that bring jobs on; those that people ask for lists plan each statement anew.
    """
    connection_created.connect(_set, dispatch_uid="plan by index")


def _set(connection: BaseDatabaseWrapper, **_arguments: Any) -> None:
    plain: psycopg.Connection[Any] = connection.connection
    plain.execute(f"{BY_INDEX}; {NOT_COMPILED}; {PLANNED_ONCE}")
