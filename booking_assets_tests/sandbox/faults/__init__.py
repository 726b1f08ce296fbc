"""Each fault does what its name says, over a real loopback port, and nothing else."""
