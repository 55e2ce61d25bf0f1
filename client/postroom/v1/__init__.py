"""The generated contract, made by `make protos`. Never edited."""
