"""One run folder: its paths, its status, what it cost, what its commands said and found."""
