"""From an experiment's settings to a run folder with a trained network and its results."""
