"""Faults that a user of the sandbox switches on: `--fault NAME[=VALUE][@SLUG]`.

They are middleware between the server and its routes. Faults that only the project's tests use are
in `booking_assets_tests.faults`, made of the same parts.
"""
