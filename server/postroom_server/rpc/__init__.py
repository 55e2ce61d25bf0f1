"""The gRPC door: admission, decoding, error details, health and reflection.

Only this package knows gRPC.  A call passes, in this order: admission (on gRPC's own
thread, never blocking), a pool of its method's kind, the body under a time limit,
strict decoding, the behaviour, and the one table of errors.
"""
