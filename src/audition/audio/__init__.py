"""Sound: signals, their STFT, reading and writing files, changing their rate."""
