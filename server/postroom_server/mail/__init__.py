"""From a valid message to the bytes that a relay gets (RFC 5322, RFC 2045-2047).

Composing is pure: the same message and identity give the same bytes, at every attempt.
All that is composed is 7-bit, but for addresses in the form for SMTPUTF8.
"""
