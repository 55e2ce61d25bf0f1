"""The outbox in memory: for tests of callers, and the plainest reading of `store`."""
