"""Trains one trial and scores it: losses, optimiser, schedule, loop, checkpoint, evaluation."""
