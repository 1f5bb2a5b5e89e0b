"""Label pictures of clients, on labelers of their own."""
