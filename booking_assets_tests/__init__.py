"""Tests: one folder a room, each test a promise."""
