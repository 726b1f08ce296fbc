"""What several hosts need of Dagster: Celery's launcher and workers, storage in PostgreSQL.

Of the extra `cluster`, and named by `deploy/celery`: no other room imports it. It is no part of
`defs`, whose every module Dagster imports in a checkout, with the extra and without.
"""
