"""Empty tables between tests that commit.

Django's flush is a TRUNCATE, which the append-only tables refuse, as they should. In the role of a replica their
triggers sleep (and so do foreign keys), and a DELETE of the few rows of one test is faster than a TRUNCATE anyway.
What the migrations put in (groups, permissions, content types, ...) is copied aside once and comes back if it changed.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import connection

TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> 'django_migrations'"
COLUMNS: Final = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
HAS_ROWS: Final = "SELECT '{0}' WHERE EXISTS (SELECT FROM public.\"{0}\")"
HAS_CHANGED: Final = """
    SELECT '{0}' WHERE EXISTS (
        (TABLE public."{0}" EXCEPT ALL TABLE initial."{0}") UNION ALL (TABLE initial."{0}" EXCEPT ALL TABLE public."{0}")
    )
"""


def keep_initial_rows() -> None:
    """Copy what the migrations put in into the schema `initial`."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS initial")
        tables = _first_column(cursor, TABLES, "public")
        for table in _first_column(cursor, " UNION ALL ".join(HAS_ROWS.format(table) for table in tables)):
            cursor.execute(f'CREATE TABLE IF NOT EXISTS initial."{table}" AS TABLE public."{table}"')


def back_to_initial_rows() -> None:
    """Delete every row that is not the migrations', and bring back those that are."""
    with connection.cursor() as cursor:
        initial = _first_column(cursor, TABLES, "initial")
        tables = _first_column(cursor, TABLES, "public")
        probes = [(HAS_CHANGED if table in initial else HAS_ROWS).format(table) for table in tables]
        cursor.execute("SET lock_timeout = '10s'; SET session_replication_role = replica")
        try:
            for table in _first_column(cursor, " UNION ALL ".join(probes)):
                cursor.execute(f'DELETE FROM public."{table}"')
                if table in initial:
                    (columns,) = _first_column(cursor, COLUMNS, f'public."{table}"')
                    cursor.execute(
                        f'INSERT INTO public."{table}" ({columns}) OVERRIDING SYSTEM VALUE '
                        f'SELECT {columns} FROM initial."{table}"'
                    )
        finally:
            cursor.execute("RESET session_replication_role; RESET lock_timeout")


def _first_column(cursor: Any, sql: str, *parameters: object) -> list[str]:
    cursor.execute(sql, parameters or None)
    return [row[0] for row in cursor.fetchall()]
