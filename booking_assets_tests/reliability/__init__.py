"""It cannot lie: real servers' bad days, met end to end; docs/reliability.md names these tests."""
