"""What ``bpetk bench`` runs: fresh processes, interleaved rounds, equality beside speed.

Nothing is imported here: a process that measures one library has loaded what it needs for that and no more.
"""
