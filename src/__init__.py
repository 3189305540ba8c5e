"""Source separation experiments."""
