"""From cines to label maps, curves and numbers, for whoever has MRIs that nobody labelled."""
