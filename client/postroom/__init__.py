"""Client of the Postroom e-mail delivery service."""
