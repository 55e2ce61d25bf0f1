"""From content to relay: sessions, transactions, pools (RFC 5321 and its extensions).

`protocol` and `commands` speak the language without I/O, `wire` carries it, `opening`
makes a `session`, `pool` lends sessions to threads, `probe` tests the way to a relay.
"""
