"""From checked values to the cells of a run."""
