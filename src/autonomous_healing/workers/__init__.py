"""More processes on the proxy's port. Knows how they share what one of them owns, not how it heals."""
