"""How to learn: what each stage learns, the loop they share, and the folder of a run."""
