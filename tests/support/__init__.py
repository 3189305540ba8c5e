"""What tests share: small corpora, rendered speech and songs, runs of main.py, a browser."""
