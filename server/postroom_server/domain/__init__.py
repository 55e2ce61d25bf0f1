"""Values and rules: no I/O, no clock of its own, no third party.

Enumerations carry the numbers of the contract (`protos/`), which are also what the
outbox keeps; a test holds the two equal.
"""
