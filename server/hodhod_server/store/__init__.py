"""PostgreSQL: the only package that imports asyncpg. Rows become models here and nowhere else."""

from __future__ import annotations
