"""Several processes on one port: who starts them, ends them, and starts them again."""
