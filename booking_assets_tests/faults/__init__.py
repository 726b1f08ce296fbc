"""Faults of the sandbox that only tests use, and a server that knows them and logs requests.

They are made of the parts of `booking_assets.sandbox.faults`, which has the faults that a user
rehearses on the command line.
"""
