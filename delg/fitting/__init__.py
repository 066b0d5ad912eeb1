"""What the three trainings share: schedules, optimizers, strategies, resuming, callbacks."""
