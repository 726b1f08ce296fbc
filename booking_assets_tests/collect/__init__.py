"""Tests of the `collect` room: pure ones, on files, and against a server on the loopback."""
