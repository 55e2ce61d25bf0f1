"""Postroom: a gRPC e-mail delivery service."""
