"""A relay for trying things out: it keeps what it receives and fails when told to.

Nothing here ever sends mail on.
"""
