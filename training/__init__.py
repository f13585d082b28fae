"""How to learn: objectives, and the folder a run lives in."""
