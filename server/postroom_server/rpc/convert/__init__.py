"""The contract's messages to domain values and back; nothing else reads either.

Total and pure in both directions: every field has its place on the other side, and no
clock, store or network is asked.  What is decided here is form alone (a time out of
range, a name that is none); whether a value makes sense is the domain's to say.
"""
