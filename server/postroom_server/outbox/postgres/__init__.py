"""The outbox of a fleet, in one PostgreSQL database."""
