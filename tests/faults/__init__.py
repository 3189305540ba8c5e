"""A run that is disturbed ends as an undisturbed one, or says why it doesn't: `make faults`."""
