"""The derivations' promises: worked cases for every rule, and laws for any events."""
