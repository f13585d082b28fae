"""Heart -> numbers."""
