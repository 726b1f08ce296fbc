"""Tests of the `api` room, against a real HTTP server on the loopback that follows a script."""
