"""Accepted mail survives us."""
