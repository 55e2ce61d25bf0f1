"""What is served over HTTP, to programs that look after the service."""
