"""Tests: a folder for each room of `booking_assets`; a test's name says what must hold."""
