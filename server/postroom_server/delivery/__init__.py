"""The engine: the one path from a request to the truth about each recipient."""
