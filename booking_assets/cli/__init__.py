"""The command `booking-assets`: arguments, progress, summaries, exit codes.

A module a command, imported when the command runs; `display` prints. Every command is a call into
`defs`, `pipeline` or `sandbox`: logic does not belong here.
"""
