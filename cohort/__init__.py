"""Files -> arrays. Imports nothing of ours; only dataset.py imports torch."""
