"""A page in a browser: drop an ECG, see the heart (app.py)."""
