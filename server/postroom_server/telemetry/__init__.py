"""What operators see: the numbers of this process, and its log."""
