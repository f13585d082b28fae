"""What things cost, measured beside what others do: scripts that anybody can run again (see README.md)."""
