"""Shift iQ Booking events, collected per organization with Dagster into DuckDB."""
