"""The sandbox behaves as the vendor's server does, and its story is the same in every process."""
