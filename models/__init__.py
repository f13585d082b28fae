"""Tensors -> tensors. Imports nothing of ours and opens no file."""
