"""Tests of `[storage]`: landings and snapshots in a folder and in a real S3 server."""
