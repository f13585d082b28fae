"""ECG -> heart: the self-contained pipeline and what it writes."""
