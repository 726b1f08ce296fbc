"""Dagster on several hosts: Celery's run launcher and workers, storage and locks in PostgreSQL.

It needs the extra `cluster`, and `deploy/celery` names it; no other package imports it. It is no
part of `defs`, whose every module Dagster imports in a checkout. The Celery queue of a job is in
`defs.jobs`, the concurrency of workers in `deploy/celery`.
"""
