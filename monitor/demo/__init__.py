"""The synthetic world and the private servers of the demonstration."""
